# NAME ROOT BRIDGE: boots one machine, and again whenever it asks for a reboot.
name=$1 root=$2 bridge=$3
trap '' HUP
# Without a cgroup of its own in every hierarchy, the services of all machines would share theirs.
while read -r _ hierarchy kind _; do
  case $kind in cgroup | cgroup2) ;; *) continue ;; esac
  mkdir -p "$hierarchy/engine-tests/$name" || continue
  for group in "$hierarchy/engine-tests" "$hierarchy/engine-tests/$name"; do
    if [ "$kind" = cgroup ] && [ -e "$hierarchy/cpuset.cpus" ]; then
      cat "$hierarchy/cpuset.cpus" >"$group/cpuset.cpus"
      cat "$hierarchy/cpuset.mems" >"$group/cpuset.mems"
    fi
  done
  echo $$ >"$hierarchy/engine-tests/$name/cgroup.procs"
done </proc/mounts
while :; do
  # CAP_SYS_TIME stays away: a host must not set the clock of the whole machine.
  systemd-nspawn -q -D "$root" --boot --register=no --keep-unit --machine="$name" --network-bridge="$bridge" \
    --capability=all --drop-capability=CAP_SYS_TIME --bind=/dev/fuse
  [ $? = 133 ] || exit
done
