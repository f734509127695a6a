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
// A start or stop hook runs under a keeper: our own program, run again, of which
// [RunKeeper] is the main function. The driver locks a file and then starts the
// keeper, which inherits the locked file; the hook does not get it. The keeper gets
// its plan over a socket, and starts nothing before the plan is there: a crash leaves
// either no hook or one that is kept. The driver lets go of the file before it sends
// the plan. So the lock is held from before the fork until the hook has ended,
// whatever becomes of rouse. The keeper ends the hook at its deadline, or when rouse
// says so, and leaves the result in a file before it lets go of the lock. The end of
// rouse, and signals that can be caught, mean nothing to it.
//
// Every operation first waits until the lock is free. [Driver.Resume] then says what
// the result is. It is that of the newest hook, for a result is removed before the
// next start or stop begins; and it counts for the run that it names, and of a stop
// only if that run was not found later.
//
// A keeper can be killed too. So it notes in a record file which process the hook
// is, of which boot, until when. Whoever gets the lock looks for such a record, waits
// for the process, and ends it once its time is up; how it ended is then not known.
// Only a keeper that is killed in the moment between fork and record, or that can
// write none (a full disk, a system other than Linux and macOS), leaves a hook that
// nobody finds.
//
// Status and readiness commands wait for the lock as well but run without it, and
// without a keeper: they only ask, so they are told to end when rouse ends, and one
// that outlives a crash harms nobody. Where there can be no keeper (another system, a
// program that does not call RunKeeper or, but on Linux, has been replaced by another
// version, no thread to be had) starts and stops run as processes of ours, with a
// record: a hook that runs is worth more than its result.
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
// One hook run needs seven file descriptors in rouse itself: the output file, the
// lock, the two ends of a socket, two to start the keeper, and one that stands for
// its process. [Descriptors] has one to spare. A caller that bounds its own use keeps
// that many back, so that a stop hook runs when nothing else can. A target whose output once
// went to memory keeps one more for good. A hook has three: its standard input, output
// and error.
package exec
