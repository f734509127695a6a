package main

const helpHead = `rouse wakes a sleeping server by TCP, and stops it again when nobody uses it.

It listens where your clients connect. While the real server (a VM, a container, a host, a
process) is off, it costs nothing. The first client makes rouse run your start hook; the client
and what it has sent are held until the server answers, then everything is relayed. When the last
client has left and the cooldown has passed, rouse runs your stop hook.

Usage:
  rouse --target-ip=HOST --target-port=PORT --hook-start-svc=PATH --hook-stop-svc=PATH [flags]
  rouse run --config=FILE   the same for any number of targets and ports, as a config file says
  rouse check               whether a config file is right; starts nothing
  rouse init [FLAGS]        writes a config file, after a few questions or from flags
  rouse doctor              rehearse a target: does it start and stop as it should?
  rouse reload              have the running rouse read its config file again
  rouse status              the targets of the running rouse, and how they are; --watch
  rouse top                 the same on a full screen, live
  rouse why TARGET          why it is awake or asleep
  rouse history             who came, what happened, and how long starts took
  rouse events              what happens, as it happens
  rouse report              what targets cost in a month, and what was saved
  rouse tune TARGET         which cooldown would have been best
  rouse dashboard           the address of the dashboard, with the key to it
  rouse dial TARGET         join this terminal or an ssh to a target, and wake it
  rouse wake TARGET         wake a target now
  rouse stop TARGET         stop a target that nobody uses, without waiting for its cooldown
  rouse hold TARGET         wake a target and keep it awake for a time
  rouse release TARGET      end that
  rouse maintenance TARGET  refuse new clients, or have them wait, for a backup, say
  rouse demo                see it work on this machine, with nothing to install or to set up
  rouse trace check FILE    whether a rouse that wrote a trace has kept its promises
  rouse version             which rouse this is
  rouse man DIRECTORY       write manual pages
  rouse completion SHELL    a completion script for bash, zsh, fish or powershell

Example:
  rouse --target-ip=192.168.100.15 --target-port=8000 --proxy-port=8000 \
        --hook-start-svc=./start.sh --hook-stop-svc=./stop.sh --cooldown-period=30m

Flags are written --flag=value or --flag value. A duration is 90s, 30m or 1h30m; a bare number is
seconds.
`

const helpTail = `
The hook contract:
  A hook is a program of yours, run without a shell, in a process group of its own and with an
  empty standard input. It gets ROUSE_EVENT (start, stop, status, probe), ROUSE_TARGET,
  ROUSE_ADDRESS, ROUSE_EPOCH, ROUSE_REASON and ROUSE_OUTPUT, beside PATH, HOME and what --hook-env
  names.
  It must be safe to call twice, and must return: leave a server in the background.
    exit 0    done                          (status hook: it runs)
    exit 75   try again in a moment         (status hook: cannot tell now)
    else      failed                        (status hook: 3 is "it does not run")
  A start hook whose machine gets a new address at each boot writes address=HOST[:PORT] to the
  file that ROUSE_OUTPUT names. A hook that anyone may change, or that lies in a folder that anyone
  may change, is refused.

Signals:
  SIGTERM or SIGINT ends rouse: it stops accepting, gives live connections --drain-timeout, and
  leaves the target as it is (--on-exit=keep) for the next run to adopt, or stops it. A second
  signal ends it at once. SIGHUP does the same, but lets rouse run read its config file again.

Exit codes: 0 done, 1 failed, 2 the command line or the config is wrong (nothing was started).
`
