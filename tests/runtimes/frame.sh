#!/bin/bash
# The first process of a frame: a view of this machine's files in which a runtime finds what it expects of a host of its own, and whose
# directories for state are empty and go with the frame. Runs in new mount and PID namespaces; ends when its input does.
# Arguments: ROOT of the repository, the PLUGIN to install, and the CONFIGURATION files to install.
set -euo pipefail
root=$1 plugin=$2
shift 2

# /etc stays, but for what belongs to containers.
mount -t tmpfs -o mode=755 frame /var/lib
mkdir /var/lib/etc
mount --bind /etc /var/lib/etc
mount -t tmpfs -o mode=755 frame /etc
for entry in /var/lib/etc/* /var/lib/etc/.[!.]*; do
    [[ ! -e $entry || ${entry##*/} == cni || ${entry##*/} == containers || ${entry##*/} == containerd ]] || ln -s "$entry" /etc/
done
for place in /run /opt /var/cache /var/log /var/tmp; do
    mount -t tmpfs -o mode=755 frame $place
done
mkdir -p /run/lock /run/netns /etc/cni/net.d /etc/containerd /etc/containers /opt/cni/bin
cp "$plugin" /opt/cni/bin/cni-portmap-isolate
[[ $# -eq 0 ]] || cp "$@" /etc/cni/net.d/

# What Podman is linked with is found by whatever environment it is started with: its monitor starts it anew with hardly any.
rm -f /etc/ld.so.c*
{ echo "$root/artifacts/tools/usr/lib/x86_64-linux-gnu"; echo 'include /etc/ld.so.conf.d/*.conf'; } >/etc/ld.so.conf
/sbin/ldconfig -X

# A container's files: one static program under the names that it is asked by.
box=/var/lib/rootfs
mkdir -p $box/{bin,proc,sys,dev,etc,tmp,run,www}
cp "$root/artifacts/tools/bin/busybox" $box/bin/
for name in sh cat sleep sysctl httpd; do
    ln -s busybox $box/bin/$name
done
echo root:x:0:0:root:/root:/bin/sh >$box/etc/passwd
head -c 4194304 /dev/zero >$box/www/bulk

# As process 1 it inherits orphans such as shims and monitors, and must not leave them as zombies, for which their runtimes would wait:
# `wait` reaps them all, where `read` would not.
echo ready
cat <&0 >/dev/null &
wait $!
