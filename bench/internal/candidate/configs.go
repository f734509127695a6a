//go:build linux

package candidate

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// streamModule is where Debian puts nginx's stream module.
const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so"

// spliced makes HAProxy splice always, through large pipes; retrying makes it hold clients.
// Of an option given twice HAProxy takes the later.
const (
	spliced = `    option splice-request
    option splice-response
`
	retrying = `    retries 3000
    timeout connect 20ms
`
)

// haproxy runs in the foreground with two threads, more lines at the end of its defaults.
func haproxy(more string) func(string, Place) Command {
	return func(path string, p Place) Command {
		pipes, spare := "", 200
		if more == spliced { // a pipe takes two descriptors, and many would be set aside
			pipes, spare = "    tune.pipesize 1048576\n    maxpipes 100\n", 400
		}
		config := fmt.Sprintf(`global
    nbthread 2
    maxconn %d
%sdefaults
    mode tcp
    backlog 4096
    timeout connect 5s
    timeout client 1h
    timeout server 1h
%slisten bench
    bind %s
    server target %s
`, (p.Limit-spare)/2, pipes, more, p.Listen, p.Backend)
		return Command{Path: path, Args: []string{"-db", "-f", filepath.Join(p.Dir, "haproxy.cfg")},
			Files: map[string]string{"haproxy.cfg": config}}
	}
}

func nginx(path string, p Place) Command {
	user := ""
	if p.Root {
		user = "user root;\n" // its workers could not write beside our files otherwise
	}
	config := fmt.Sprintf(`load_module %s;
%sdaemon off;
pid %s;
error_log %s warn;
worker_processes 2;
worker_rlimit_nofile %d;
events {
    worker_connections %d;
}
stream {
    server {
        listen %s reuseport backlog=4096;
        proxy_pass %s;
        proxy_half_close on;
        proxy_timeout 1h;
    }
}
`, streamModule, user, filepath.Join(p.Dir, "nginx.pid"), filepath.Join(p.Dir, "error.log"), p.Limit, p.Limit, p.Listen, p.Backend)
	return Command{Path: path, Args: []string{"-p", p.Dir, "-e", filepath.Join(p.Dir, "error.log"), "-c", filepath.Join(p.Dir, "nginx.conf")},
		Files: map[string]string{"nginx.conf": config}}
}

func socat(path string, p Place) Command {
	return Command{Path: path, Args: []string{
		fmt.Sprintf("TCP4-LISTEN:%d,bind=%s,fork,reuseaddr,backlog=4096", p.Listen.Port(), p.Listen.Addr()),
		"TCP4:" + p.Backend.String(),
	}}
}

// proxyd would serve no more than 256 connections by itself.
func proxyd(path string, p Place) Command {
	return Command{Path: path, Args: []string{"--connections-max=" + strconv.Itoa(p.Limit), p.Backend.String()}, Socket: true}
}

// rouseCommand gives rouse hooks that do nothing: the backend is up, or comes up by itself.
// It logs no connections, as none of the others do.
func rouseCommand(path string, p Place, flags []string) Command {
	args := []string{
		"--target-ip=" + p.Backend.Addr().String(), "--target-port=" + strconv.Itoa(int(p.Backend.Port())),
		"--proxy-ip=" + p.Listen.Addr().String(), "--proxy-port=" + strconv.Itoa(int(p.Listen.Port())),
		"--hook-start-svc=" + filepath.Join(p.Dir, "nothing.sh"), "--hook-stop-svc=" + filepath.Join(p.Dir, "nothing.sh"),
		"--cooldown-period=24h", "--drain-timeout=0", "--recheck-period=0",
		"--state-dir=" + filepath.Join(p.Dir, "state"), "--log-format=text", "--log-level=warn",
	}
	return Command{Path: path, Args: append(args, flags...), Files: map[string]string{"nothing.sh": "#!/bin/sh\nexit 0\n"}}
}
