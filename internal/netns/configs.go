package netns

// zone is the servers' zone.
const zone = `$ORIGIN example.com.
$TTL 3600
@   SOA ns host 1 3600 600 86400 3600
@   NS  ns
ns  A   192.0.2.53
www A   192.0.2.1
*.hosting A 192.0.2.2
`

const knotConfig = `
server:
    rundir: "DIR"
    listen: ADDRESS@53
    user: OWNER
    udp-workers: 8
database:
    storage: "DIR"
mod-dnstap:
  - id: tap
    sink: "unix:SOCKET"
    log-queries: on
    log-responses: on
template:
  - id: default
    storage: "DIR"
    MODULE
zone:
  - domain: example.com
    file: "DIR/zone"
    zonefile-load: whole
    journal-content: none
`

const unboundConfig = `
server:
    interface: ADDRESS
    port: 53
    chroot: ""
    username: ""
    directory: "DIR"
    pidfile: ""
    use-syslog: no
    module-config: "iterator"
    access-control: 0.0.0.0/0 allow
    local-zone: "example.com." static
    local-data: "www.example.com. A 192.0.2.1"
    local-data: "example.com. NS ns.example.com."
dnstap:
    dnstap-enable: yes
    dnstap-bidirectional: yes
    dnstap-socket-path: "SOCKET"
    dnstap-log-client-query-messages: yes
    dnstap-log-client-response-messages: yes
remote-control:
    control-enable: no
`

const resolverConfig = `
server:
    interface: ADDRESS
    port: 53
    chroot: ""
    username: ""
    directory: "DIR"
    pidfile: ""
    use-syslog: no
    module-config: "iterator"
    do-daemonize: no
    access-control: 0.0.0.0/0 allow
    local-zone: "example.com." nodefault
stub-zone:
    name: "example.com"
    stub-addr: SOCKET
    stub-prime: no
remote-control:
    control-enable: no
`

const namedConfig = `
options {
    directory "DIR";
    listen-on { ADDRESS; };
    listen-on-v6 { none; };
    pid-file none;
    session-keyfile none;
    recursion no;
    dnstap { auth; client; };
    dnstap-output unix "SOCKET";
    fstrm-set-input-queue-size 16384;
};
controls { };
zone "example.com" { type primary; file "DIR/zone"; };
`

const dnsdistConfig = `
setLocal("ADDRESS:53")
setACL("0.0.0.0/0")
tap = newFrameStreamUnixLogger("SOCKET")
addAction(AllRule(), DnstapLogAction("dnsdist", tap))
addAction(AllRule(), RCodeAction(DNSRCode.NXDOMAIN))
addSelfAnsweredResponseAction(AllRule(), DnstapLogResponseAction("dnsdist", tap))
`
