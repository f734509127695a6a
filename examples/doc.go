// Package examples holds hooks for rouse: one folder for each kind of machine, with
// programs that start it, stop it and say whether it runs. It has no Go code but
// tests. They run the hooks the way rouse does, with nothing but the documented
// environment. Where the real thing is not at hand (a cloud, a container engine,
// systemd, ssh) the test binary stands in for its command line: it is put in front of
// PATH under that name, and keeps the state of the machine in a file.
package examples
