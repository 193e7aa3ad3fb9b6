# The place of one node: $1 is its cgroup, $2 its name. The mounts, the host name and the process namespace are its own
# already; what follows keeps kubelet, containerd and the pods from the machine's files.
set -e
hostname "$2"
base=$(mktemp -d)
mount -t tmpfs -o mode=755 tmpfs "$base"

# /etc is the machine's with changes of the node's own above it; the rest of what a node writes is empty.
mkdir "$base/etc" "$base/work"
mount -t overlay -o "lowerdir=/etc,upperdir=$base/etc,workdir=$base/work" overlay /etc
# So is /dev, in which kubelet makes what a pod mounts and the machine lacks, as /dev/infiniband.
mkdir "$base/dev" "$base/work-of-dev"
mount -t overlay -o "lowerdir=/dev,upperdir=$base/dev,workdir=$base/work-of-dev" overlay /dev
mount -t devpts -o newinstance,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mkdir -p /etc/cni /etc/railcni /etc/kubernetes/manifests
for dir in /etc/cni /etc/railcni /opt /var/lib /var/log; do
    mount -t tmpfs -o mode=755 tmpfs "$dir"
done
mkdir -p /opt/cni/bin /etc/cni/net.d /etc/railcni/pools.d /var/lib/cni /var/lib/kubelet /var/lib/railcni

# A cgroup in every hierarchy. Those of cpuset are empty until they are told what the machine has.
[ -e /sys/fs/cgroup/cgroup.controllers ] && hierarchies=/sys/fs/cgroup || hierarchies=$(echo /sys/fs/cgroup/*/)
for hierarchy in $hierarchies; do
    mkdir -p "$hierarchy/$1"
    for file in cpuset.cpus cpuset.mems; do
        [ ! -e "$hierarchy/$file" ] || cat "$hierarchy/$file" >"$hierarchy/$1/$file"
    done
done

# /sys of the node's own network, with the cgroups as they were.
mkdir "$base/cgroup"
mount --rbind /sys/fs/cgroup "$base/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$base/cgroup" /sys/fs/cgroup

# What kubelet sets is the whole machine's: it finds and sets plain files instead.
mount -t proc proc /proc
for key in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys \
    kernel/keys/root_maxbytes; do
    file=$base/$(basename "$key")
    cat "/proc/sys/$key" >"$file"
    mount --bind "$file" "/proc/sys/$key"
done

umount -l "$base"
rmdir "$base"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns
# As systemd leaves it: volumes of pods are seen by those that look for them.
mount --make-rshared /
ip link set lo up
set +e
