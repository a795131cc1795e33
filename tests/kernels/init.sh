#!/bin/sh
# The guest's first process: a host with two containers, and everything that should and should not pass. Each statement is a line: "ok MODE NAME", or
# "FAIL MODE NAME: why". Modes: "types", as the kernel is; "notypes", where it does not tell its types (see src/Linux/KernelTypes.cs).
export PATH=/bin HOME=/
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /run/netns /dev/shm
echo "kernel $(uname -r)"
for module in /modules/*.ko; do
    insmod "$module" || echo "insmod $module failed"
done
if [ -e /shell ]; then
    setsid sh -c 'exec sh </dev/ttyS0 >/dev/ttyS0 2>&1'
    poweroff -f
fi

HOST=10.77.0.2 OUT=10.77.0.1 STATE=/run/cni-portmap-isolate
OWN1=31001 OWN2=31002 HOSTPORT=7000 FOREIGN=29999
LARGE=400000 FULL=1400
GUARD=28780

# This shell would take its own of the same names, which can do less.
for program in ip tc nsenter unshare; do
    eval "$program() { /bin/$program \"\$@\"; }"
done

inside() { # NAMESPACE COMMAND...: without a new /sys, which would show the types again
    space=$1
    shift
    nsenter --net="/run/netns/$space" -- "$@"
}

state() { # NAME COMMAND...
    name=$1
    shift
    # Not in a subshell: what the command starts lives on.
    if "$@" >/run/why 2>&1; then
        echo "ok $mode $name"
    else
        echo "FAIL $mode $name: exit code $?: $(tail -n 3 /run/why | tr '\n' ' ')"
    fi
}

# Until it is so, at most half a minute: what is waited for comes from programs of this guest.
await() {
    left=300
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ $left -gt 0 ] || { echo "waited in vain for: $*"; return 1; }
        usleep 100000
    done
}

configuration() { # [RESULT]
    printf '{"cniVersion":"1.0.0","name":"guest","type":"cni-portmap-isolate","ports":"31000-31100","ephemeralPorts":"16384-20000","stateDir":"%s","logFile":"/run/log",' $STATE
    printf '"egressRateLimitPerContainer":"40MB","ingressRateLimitPerContainer":"40MB"'
    [ $# -eq 0 ] || printf ',"prevResult":%s' "$(cat "$1")"
    printf '}'
}

plugin() { # COMMAND CONTAINER PATH ARGUMENTS [RESULT]
    command=$1 container=$2 path=$3 arguments=$4
    shift 4
    configuration "$@" | inside host env CNI_COMMAND="$command" CNI_CONTAINERID="$container" CNI_NETNS="$path" CNI_IFNAME=eth0 \
        CNI_PATH=/bin CNI_ARGS="$arguments" cni-portmap-isolate
}

add() {
    plugin ADD c1 /run/netns/c1 "PORTS=$OWN1" >/run/c1.json && plugin ADD c2 /run/netns/c2 "PORTS=$OWN2" >/run/c2.json || { cat /run/c1.json /run/c2.json; return 1; }
}

limited() {
    for place in "c1 eth0" "host $(host_end c1)"; do
        set -- $place
        inside "$1" tc qdisc show dev "$2" >/run/qdiscs
        grep -q 'qdisc htb 1: root' /run/qdiscs && grep -q fq_codel /run/qdiscs || { cat /run/qdiscs; return 1; }
    done
}

host_end() {
    grep -o 'pmi[0-9a-f]*' "/run/$1.json" | head -n 1
}

# What was sent before another packet is not there when that one has come.
passes_after() { # NAMESPACE OWN-PORT TO
    inside "$1" traffic datagram eth0 "$OUTMAC" $HOST "$2" $OUT "$3" && await grep -q "from $2 to $3\." /run/wire
}

foreign() { # a port of the neighbour, of the host, of nobody
    for port in $OWN2 22 $FOREIGN; do
        inside c1 traffic datagram eth0 "$OUTMAC" $HOST $port $OUT 9001 || return 1
    done
    passes_after c1 $OWN1 9002 || return 1
    ! grep 'to 9001\.' /run/wire
}

# A checksum that is left to others and goes where the source port stands.
attack() { # TO
    inside c1 traffic offload eth0 on && inside c1 traffic datagram eth0 "$OUTMAC" $HOST $OWN1 $OUT "$1" 34 34
}

guarded() {
    attack 9003 && passes_after c2 $OWN2 9004 || return 1
    ! grep 'to 9003\.' /run/wire
}

unguarded() {
    inside host tc filter del dev "$(host_end c1)" ingress pref $GUARD && attack 9005 && await grep -q 'to 9005\.' /run/wire || return 1
    ! grep "from $OWN1 to 9005\." /run/wire
}

# A container in a user namespace of its own, whose root changes the header length behind its own stack: TCP's checksum is where the filters look for the
# source port then, and the kernel fills it in when they have looked.
confine() {
    /bin/unshare -U -r -n sleep 1000000 &
    confined=$!
    await test -e /proc/$confined/ns/net && await sh -c "[ \$(readlink /proc/$confined/ns/net) != \$(readlink /proc/self/ns/net) ] && grep -q sleep /proc/$confined/comm" || return 1
    plugin ADD c3 /proc/$confined/ns/net PORTS=31003 >/run/c3.json || { cat /run/c3.json; return 1; }
}

as_confined() {
    nsenter --target=$confined --user --net --preserve-credentials -- "$@"
}

rewrite() {
    as_confined traffic offload eth0 on
    as_confined tc qdisc add dev eth0 clsact 2>/dev/null
    as_confined tc filter add dev eth0 egress pref 1 protocol ip u32 match ip dst $OUT/32 match ip protocol 6 0xff match u8 0x02 0xff at 33 \
        action pedit munge offset 36 u16 set 31003 munge offset 0 u8 set 0x49
}

connect_rewritten() { # waits until such a packet has left the container
    before=$(as_confined tc -s filter show dev eth0 egress | sed -n 's/.*Sent [0-9]* bytes \([0-9]*\) pkt.*/\1/p' | head -n 1)
    as_confined traffic tcp $OUT $HOSTPORT 1 &
    await sh -c "[ \$(/bin/nsenter --target=$confined --user --net --preserve-credentials -- tc -s filter show dev eth0 egress | sed -n 's/.*Sent [0-9]* bytes \([0-9]*\) pkt.*/\1/p' | head -n 1) -gt ${before:-0} ]"
    result=$?
    kill $! 2>/dev/null
    return $result
}

rewriting() {
    rewrite && connect_rewritten && passes_after c2 $OWN2 9006 || return 1
    ! grep 'protocol 6 header 36' /run/wire
}

rewriting_unguarded() {
    inside host tc filter del dev "$(host_end c3)" ingress pref $GUARD && connect_rewritten && await grep -q 'protocol 6 header 36' /run/wire || return 1
    ! grep 'protocol 6 header 36 from 31003 ' /run/wire
}

unconfine() {
    plugin DEL c3 /proc/$confined/ns/net "" && kill $confined
}

doctor() {
    configuration >/run/conf.json
    inside host cni-portmap-isolate doctor --config /run/conf.json >/run/doctor 2>&1 || { cat /run/doctor; return 1; }
    if [ $mode = types ]; then
        ! grep 'compute the checksums' /run/doctor
    else
        grep -q 'compute the checksums' /run/doctor
    fi
}

scrape() { # PATH
    inside host traffic get 127.0.0.1 9478 "$1" >/run/scrape || { cat /run/scrape; return 1; }
    grep -q 'HTTP/1.1 200' /run/scrape && grep -q '[^a-z0-9]c1[^a-z0-9]' /run/scrape || { head -c 300 /run/scrape; return 1; }
}

delete() {
    plugin DEL c1 /run/netns/c1 "" /run/c1.json && plugin DEL c2 /run/netns/c2 "" /run/c2.json
}

clean() {
    inside host ip -o link show | grep pmi && return 1
    for device in eth0 lo; do
        inside host tc qdisc show dev $device | grep clsact && return 1
        inside host tc filter show dev $device ingress | grep . && return 1
    done
    ls $STATE | grep -E '^pmi|^host.json' && return 1
    inside c1 ip -o link show | grep eth0 && return 1
    return 0
}

play() {
    mode=$1
    for space in out host c1 c2; do
        ip netns add $space
        ip -n $space link set lo up
    done
    ip -n host link add eth0 type veth peer name wire0 netns out
    ip -n host address add $HOST/24 dev eth0
    ip -n out address add $OUT/24 dev wire0
    ip -n host link set eth0 up
    ip -n out link set wire0 up
    ip -n host route add default via $OUT
    inside host traffic offload eth0 off
    OUTMAC=$(ip -n out -o link show wire0 | sed 's/.*link.ether \([0-9a-f:]*\) .*/\1/')
    inside out traffic sniff wire0 >/run/wire &
    servers=$!
    await grep -q sniffing /run/wire

    state add add
    for place in "out $HOSTPORT" "host $HOSTPORT" "c1 $OWN1" "c2 $OWN2"; do
        set -- $place
        inside "$1" traffic serve "$2" &
        servers="$servers $!"
        await sh -c "/bin/nsenter --net=/run/netns/$1 -- netstat -ltn | grep -q :$2"
    done
    state limits limited
    for from in out host c2; do
        state "tcp $from to c1" inside $from traffic tcp $HOST $OWN1 $LARGE
        state "udp $from to c1" inside $from traffic udp $HOST $OWN1 $FULL
    done
    state "tcp host to c1 by loopback" inside host traffic tcp 127.0.0.1 $OWN1 $LARGE
    state "tcp c1 to itself" inside c1 traffic tcp $HOST $OWN1 $LARGE
    for where in out host; do
        to=$OUT
        [ $where = out ] || to=$HOST
        state "tcp c1 to $where" inside c1 traffic tcp $to $HOSTPORT $LARGE
        state "udp c1 to $where" inside c1 traffic udp $to $HOSTPORT $FULL
    done
    state "tcp out to host" inside out traffic tcp $HOST $HOSTPORT $LARGE
    state "ping c1 to out" inside c1 ping -c 1 -W 10 $OUT
    state "foreign ports" foreign
    state CHECK plugin CHECK c1 /run/netns/c1 "PORTS=$OWN1" /run/c1.json
    state doctor doctor
    inside host cni-portmap-exporter --state-dir $STATE >/run/exporter 2>&1 &
    exporter=$!
    await sh -c "/bin/nsenter --net=/run/netns/host -- netstat -ltn | grep -q :9478"
    state metrics scrape /metrics
    state statistics scrape /monitor/statistics
    kill $exporter

    state "checksum over the port" guarded
    state "checksum over the port without the guard" unguarded
    state "container of a user namespace" confine
    state "header rewritten" rewriting
    state "header rewritten without the guard" rewriting_unguarded
    state "DEL of a user namespace's" unconfine

    kill $servers
    state DEL delete
    state "nothing left" clean
    for space in out host c1 c2; do
        ip netns del $space
    done
}

play types
mount -t tmpfs none /sys/kernel/btf
play notypes
echo finished
poweroff -f
