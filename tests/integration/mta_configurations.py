"""Configurations of the mail servers in `mtas`: to SES, to nowhere, and to a server that is not SES.

An hour of the field in ten seconds: they try again every second or two, and give up after twelve.
"""

from __future__ import annotations

EXIM = """\
exim_path = {binary}
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4/%slog : syslog
primary_hostname = mx1.mailgap.test
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
disable_ipv6
tls_advertise_hosts =
chunking_advertise_hosts =
rfc1413_query_timeout = 0s
log_selector = +smtp_confirmation +received_recipients +subject +pid +millisec
acl_smtp_rcpt = accept
acl_smtp_data = accept
smtp_accept_queue_per_connection = 0
begin routers
elsewhere:
  driver = manualroute
  domains = elsewhere.example
  route_list = * {other} byname
  transport = remote_smtp
  self = send
unreachable:
  driver = manualroute
  domains = unreachable.example
  route_list = * {relay} byname
  transport = closed
  self = send
ses:
  driver = manualroute
  route_list = * {relay} byname
  transport = ses
  self = send
begin transports
ses:
  driver = smtp
  port = {relay_port}
  allow_localhost
  hosts_try_fastopen =
  final_timeout = 2s
closed:
  driver = smtp
  port = {closed_port}
  allow_localhost
  hosts_try_fastopen =
remote_smtp:
  driver = smtp
  port = {other_port}
  allow_localhost
begin retry
* * F,12s,2s
"""

SENDMAIL = """\
divert(-1)
define(`_CF_DIR_', `{macros}/')
divert(0)dnl
include(`{macros}/m4/cf.m4')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `mx1.mailgap.test')dnl
define(`SMART_HOST', `relay:[{relay}]')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {relay_port}')dnl
define(`ESMTP_MAILER_ARGS', `TCP $h {closed_port}')dnl
define(`SMTP_MAILER_ARGS', `TCP $h {other_port}')dnl
FEATURE(`no_default_msa')dnl
DAEMON_OPTIONS(`Family=inet, Name=MTA, Port={port}, Addr=127.0.0.1')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`promiscuous_relay')dnl
define(`confMIN_QUEUE_AGE', `1s')dnl
define(`confTO_QUEUERETURN', `12s')dnl
define(`confTO_QUEUEWARN', `')dnl
define(`confTO_DATAFINAL', `2s')dnl
define(`confLOG_LEVEL', `10')dnl
define(`confQUEUE_LA', `1000')dnl other tests may keep the machine busy
define(`confREFUSE_LA', `1000')dnl
define(`confSEPARATE_PROC', `True')dnl a connection that breaks must not put everybody else's mail off
define(`confPID_FILE', `/var/run/sendmail.pid')dnl
define(`STATUS_FILE', `/var/run/status')dnl
define(`ALIAS_FILE', `')dnl
define(`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
MAILER(`local')dnl
MAILER(`smtp')dnl
LOCAL_RULE_0
R$* < @ unreachable.example . > $*\t$#esmtp $@ [{relay}] $: $1 < @ unreachable.example . >
R$* < @ unreachable.example > $*\t$#esmtp $@ [{relay}] $: $1 < @ unreachable.example >
R$* < @ elsewhere.example . > $*\t$#smtp $@ [{other}] $: $1 < @ elsewhere.example >
R$* < @ elsewhere.example > $*\t$#smtp $@ [{other}] $: $1 < @ elsewhere.example >
"""

OPENSMTPD = """\
queue ttl 12s
listen on 127.0.0.1 port {port}
action "ses" relay host smtp://{relay}:{relay_port}
action "closed" relay host smtp://{relay}:{closed_port}
action "elsewhere" relay host smtp://{other}:{other_port}
match from any for domain "unreachable.example" action "closed"
match from any for domain "elsewhere.example" action "elsewhere"
match from any for any action "ses"
"""
