{{- define "railcni.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* What is said of every container beside its own. */ -}}
{{- define "railcni.pullPolicy" -}}
{{- with .Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
{{- end }}

{{- define "railcni.least" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* Where pods go: (list ROOT PART). Nodes of other architectures have no image. */ -}}
{{- define "railcni.placement" -}}
{{- $root := index . 0 }}
{{- $part := index . 1 }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            - key: kubernetes.io/arch
              operator: In
              values:
                {{- toYaml $root.Values.node.architectures | nindent 16 }}
{{- end }}

{{- /* The init container that puts the plugins in place. */ -}}
{{- define "railcni.install" -}}
- name: install
  image: {{ include "railcni.image" . }}
  {{- include "railcni.pullPolicy" . | nindent 2 }}
  args: ["--no-sleep"]
  securityContext:
    {{- include "railcni.least" . | nindent 4 }}
  {{- with .Values.node.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - {name: bin, mountPath: /host/opt/cni/bin}
{{- end }}

{{- /* Of a Deployment, as nobody, a replica per node where there are as many. */ -}}
{{- define "railcni.nobody" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {app: {{ . }}}
terminationGracePeriodSeconds: 10
securityContext:
  runAsNonRoot: true
  runAsUser: 65534
  runAsGroup: 65534
{{- end }}

{{- define "railcni.podNames" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
{{- end }}

{{- define "railcni.metricsListen" -}}
{{- if .Values.metrics.enabled }}
- {name: RAILD_METRICS_LISTEN, value: "[::]:9617"}
{{- end }}
{{- end }}

{{- define "railcni.metricsPort" -}}
{{- if .Values.metrics.enabled }}
- {name: metrics, containerPort: 9617}
{{- end }}
{{- end }}

{{- /* To the API server alone, where that is said. */ -}}
{{- define "railcni.egress" -}}
{{- with .Values.networkPolicy.apiServer }}
egress:
  {{- range . }}
  - to:
      - ipBlock: {cidr: {{ .cidr | quote }}}
    ports:
      - {protocol: TCP, port: {{ .port }}}
  {{- end }}
{{- end }}
{{- end }}

{{- /* Which kinds of traffic a policy speaks of. */ -}}
{{- define "railcni.policyTypes" -}}
policyTypes: [Ingress{{ if .Values.networkPolicy.apiServer }}, Egress{{ end }}]
{{- end }}

{{- /* What the webhook and the networks beside it are told, where it is not what they do by themselves. */ -}}
{{- define "railcni.injection" -}}
{{- with .Values.networks }}
{{- if ne .namespace "default" }}
- {name: RAILD_NETWORKS_NAMESPACE, value: {{ .namespace | quote }}}
{{- end }}
{{- with .injectNamespaces }}
- {name: RAILD_INJECT_NAMESPACES, value: {{ join "," . | quote }}}
{{- end }}
{{- with .excludeNamespaces }}
- {name: RAILD_INJECT_EXCLUDED_NAMESPACES, value: {{ join "," . | quote }}}
{{- end }}
{{- with .configNamespaces }}
- {name: RAILD_INJECT_CONFIG_NAMESPACES, value: {{ join "," . | quote }}}
{{- end }}
{{- end }}
{{- end }}
