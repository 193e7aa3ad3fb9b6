# The cgroups of the node, from below; $1 is their name. What was killed may take a moment to leave them.
tries=0
while [ $tries -lt 50 ] && [ -n "$(find /sys/fs/cgroup -type d -path "*/$1*" -print -quit)" ]; do
    find /sys/fs/cgroup -depth -type d -path "*/$1*" -exec rmdir {} + 2>/dev/null
    tries=$((tries + 1))
    sleep 0.1
done
