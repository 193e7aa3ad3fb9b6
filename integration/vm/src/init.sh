#!/bin/busybox sh
# The guest's first program: mounts the machine's own root, read-only, below a tmpfs, and hands over to the agent.
# LAB_AGENT and LAB_MODULES (paths on the machine) come from the kernel's command line.
set -e
trap 'echo "lab: init failed" >/dev/console; poweroff -f' EXIT
/bin/busybox mkdir -p /dev /proc /sbin /host /rw /new
/bin/busybox --install -s /sbin
PATH=/sbin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
while read -r module; do insmod "/modules/$module"; done </modules/order
if [ -z "$LAB_AGENT" ]; then
	echo "lab: boots" >/dev/console
	poweroff -f
fi
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=262144,cache=loose host /host
mount -t tmpfs rw /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/host,upperdir=/rw/upper,workdir=/rw/work root /new
for dir in proc sys dev run usr/lib/modules; do mkdir -p "/new/$dir"; done
mount -t proc proc /new/proc
mount -t sysfs sys /new/sys
mount -t devtmpfs dev /new/dev
mount -t tmpfs -o mode=755 run /new/run
mount --bind "/new$LAB_MODULES" /new/usr/lib/modules
# The machine may have no modprobe; the kernel asks for modules through this one.
# Opened once for each test: no more by 9p.
touch -c "/new$LAB_AGENT"
mkdir /new/lab
cp /bin/busybox /new/lab/modprobe
echo /lab/modprobe >/proc/sys/kernel/modprobe
hostname lab
trap - EXIT
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec /sbin/switch_root /new "$LAB_AGENT" agent
