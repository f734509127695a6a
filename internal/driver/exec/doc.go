// Package exec is the driver that runs the user's own commands: the hooks.
//
// A hook is a program with its arguments, run without a shell, in a process group
// of its own, in rouse's working directory, with an empty standard input and an
// environment built from nothing: ROUSE_EVENT, ROUSE_TARGET, ROUSE_ADDRESS,
// ROUSE_EPOCH, ROUSE_REASON, for a start hook ROUSE_OUTPUT, then PATH, HOME and
// what [Options].Env lists. Exit code 0 is done, 75 is "try again"
// ([driver.ErrTemporary]), all others failed. A status hook says 0 for running and
// 3 for not running. The driver never tries again by itself, but for the moment in
// which a hook file is being replaced.
//
// # Output
//
// Standard output and standard error of all hooks of one target go to one file,
// which is opened for appending, never replaced and never removed. It is not a
// pipe, because a pipe ties the hook to rouse: waiting for its end waits for every
// daemon that inherited it, and the end of rouse kills by SIGPIPE whoever writes to
// it. While a hook runs the driver reads the file behind it and logs it by the
// line, cleaned and within bounds. The file is cut to nothing when it has passed
// 1 MiB, while a hook runs and in [Driver.Run]. A daemon that a hook left behind
// goes on writing there, so its lines may stand among those of a later hook. When
// the file cannot be written (a full disk) the output goes to memory, where the
// system can do that, and else nowhere; the hook runs all the same.
//
// # At most one hook
//
// A start or a stop in progress is noted in a record file: which process, of which
// boot, until when. Every operation first looks for the record of a hook that an
// earlier rouse left running, waits for that process, and ends it once its time is
// up. Status and readiness commands wait for such a leftover too, but leave no
// record: they only ask, so they are told to end when rouse ends, and one that
// outlives a crash harms nobody. Between the start of a process and its record lie
// a few system calls; a crash just there leaves a hook that nobody finds.
//
// # Ending a hook
//
// A hook that outlives its context gets SIGTERM, its whole group with it, and
// SIGKILL after the grace. A process that left the group (setsid) escapes both, as
// does one that became another user. Neither is waited for; whether the target runs
// is for a probe or a status hook to say. A context that ends with
// [driver.ErrDetach] leaves the hook running.
//
// # Descriptors
//
// One hook run needs five file descriptors in rouse itself: the output file, the
// null device, two to start the process, and one that stands for the process.
// [Descriptors] has some to spare. A caller that bounds its own use keeps that many
// back, so that a stop hook runs when nothing else can. A target whose output once
// went to memory keeps one more for good.
package exec
