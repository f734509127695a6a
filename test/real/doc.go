// Package real proves with other people's software that rouse does its job. It has no
// Go code but tests. They build rouse, run it as a process of its own with the hooks in
// testdata, and put it in front of PostgreSQL, Redis, OpenSSH, socat and a virtual
// machine, whose own clients wake them. What happened is read from rouse's JSON log and
// checked against the system: processes, ports, files.
//
// A test whose programs are not installed is skipped and names the Debian package.
// ROUSE_TEST_VM=0 leaves the virtual machine out. GOFLAGS=-race applies to rouse as well.
package real
