package trace

import (
	"slices"
	"strings"
)

func allCases() []ruleCase { return slices.Concat(cases, deceits) }

// deceits are traces by which somebody has deceived an earlier check.
var deceits = []ruleCase{
	{ruleNoStopUnder, "held or waiting when it goes to stopping",
		stopped,
		idle + "\n80s state changed from=ready to=stopping epoch=1 waiting=1"},
	{ruleNoStopUnder, "waiting, as the client says",
		idle + `
			78s client waits client=c2
			79s client left client=c2 elapsed=1s
			79.5s client waits client=c3
			80s state changed from=ready to=stopping epoch=1
			80s operation begun operation=stop epoch=1`,
		idle + `
			78s client waits client=c2
			80s state changed from=ready to=stopping epoch=1
			80s operation begun operation=stop epoch=1`},
	{ruleNoStopUnder, "waiting, and rouse was paused",
		idle + `
			78s client waits client=c2
			80s state changed from=ready to=stopping epoch=1
			80s operation begun operation=stop epoch=1
			80s rouse paused elapsed=2s`, ""},
	{ruleNoStopUnder, "waiting while a start fails",
		waking + `
			10s operation ended operation=start epoch=1 error=broken
			10s state changed from=starting to=stopping epoch=1
			10s operation begun operation=stop epoch=1
			11s client refused client=c1 error=broken elapsed=10s`,
		waking + `
			10s operation ended operation=start epoch=1 error=broken
			10s state changed from=starting to=stopping epoch=1
			10s operation begun operation=stop epoch=1
			30s client refused client=c1 error=broken elapsed=29s`},
	{ruleNoStopUnder, "waiting while a start fails, and never answered",
		stopped,
		waking + `
			10s operation ended operation=start epoch=1 error=broken
			10s state changed from=starting to=stopping epoch=1
			10s operation begun operation=stop epoch=1
			30s still working epoch=1`},
	{ruleNoStopUnder, "let in while its stop hook still runs",
		stopping + upAgain,
		stopping[:strings.LastIndex(stopping, "81s")] + upAgain},
	{ruleNoStopUnder, "let in while a stop hook of an earlier rouse still runs",
		hookLeft + `
			82s hook ended operation=stop epoch=1 pid=51
			83s client connected client=c2 epoch=1`,
		hookLeft + `
			82s client connected client=c2 epoch=1
			83s hook ended operation=stop epoch=1 pid=51`},
	{ruleNoStopUnder, "let in between the state and its stop",
		stopping,
		idle + `
			80s state changed from=ready to=stopping epoch=1
			80s client connected client=c2 epoch=1
			81s client ended client=c2`},
	{ruleNoStopUnder, "let in behind a stop",
		stopped + "\n90s client waits client=c2",
		stopped + `
			83s client connected client=c2 epoch=1
			84s client ended client=c2`},
	{ruleNoStopUnder, "let in long after it was found down",
		foundDown + `
			35s client connected client=c2 epoch=1
			36s client ended client=c2`,
		foundDown + `
			40s client connected client=c2 epoch=1
			41s client ended client=c2`},

	{ruleOneAtATime, "a hook outside of its operation",
		stopped,
		asleep + "\n1s hook begun operation=start pid=50\n2s hook ended operation=start pid=50"},
	{ruleOneAtATime, "a process ID of a hook that is used again",
		hookLeft + `
			141s state changed from=ready to=stopping epoch=1
			141s operation begun operation=stop epoch=1
			141s hook begun operation=stop epoch=1 pid=51
			142s hook ended operation=stop epoch=1 pid=51`, ""},

	{ruleStopFirst, "a stop that failed has stopped nothing",
		stopped,
		stopping + `
			82s operation ended operation=stop epoch=1 error=broken
			82s state changed from=stopping to=stopped epoch=1`},
	{ruleStopFirst, "a stop that failed after a start that failed",
		stopping + `
			82s operation ended operation=stop epoch=1
			82s state changed from=stopping to=failed epoch=1`,
		stopping + `
			82s operation ended operation=stop epoch=1 error=broken
			82s state changed from=stopping to=failed epoch=1`},
	{ruleStopFirst, "a start that failed has started nothing",
		awake,
		waking + `
			10s operation ended operation=start epoch=1 error=broken
			10s state changed from=starting to=ready epoch=1 held=1`},

	{ruleEpoch, "a disk that refuses a record",
		waking + `
			2s state not saved epoch=1 error=full
			3s rouse began run=7
			3s operation begun operation=check
			3s operation ended operation=check
			3s state changed from=unknown to=stopped`,
		waking + `
			2s state not saved epoch=1 error=full
			2s state saved again epoch=1
			3s rouse began run=7
			3s operation begun operation=check`},
	{ruleEpoch, "a disk that refused a record, and another rouse since",
		waking + `
			2s state not saved epoch=1 error=full
			3s rouse began run=7
			3s operation begun operation=check
			4s rouse began run=8
			4s operation begun operation=check`,
		waking + `
			2s state not saved epoch=1 error=full
			3s rouse began run=7
			3s operation begun operation=check epoch=1
			4s rouse began run=8
			4s operation begun operation=check`},
}

const upAgain = `
	82s operation ended operation=stop epoch=1 error=broken
	82s state changed from=stopping to=unknown epoch=1
	82s operation begun operation=check epoch=1
	82s operation ended operation=check epoch=1
	82s state changed from=unknown to=ready epoch=1
	83s client connected client=c2 epoch=1`
