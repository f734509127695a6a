package trace

import "strings"

// A ruleCase is a trace that keeps a rule, and one that breaks it: rule, and no other.
type ruleCase struct {
	rule  string
	name  string
	fine  string // keeps all rules
	wrong string // breaks this one
}

var cases = []ruleCase{
	{ruleNoStopUnder, "held, as the machine saw it",
		stopped + "\n90s rouse ended",
		idle + `
			80s state changed from=ready to=stopping epoch=1 held=1
			80s operation begun operation=stop epoch=1 held=1`},
	{ruleNoStopUnder, "waiting, as the machine saw it",
		stopped + "\n90s rouse ended",
		idle + `
			80s state changed from=ready to=stopping epoch=1
			80s operation begun operation=stop epoch=1 waiting=2`},
	{ruleNoStopUnder, "let in while it stops",
		stopped + `
			83s client waits client=c2
			84s client left client=c2 elapsed=1s`,
		stopping + `
			81s client connected client=c2 epoch=1
			82s client ended client=c2`},
	{ruleNoStopUnder, "it waits for the end of a stop",
		stopping + `
			81s client waits client=c2
			82s operation ended operation=stop epoch=1
			82s state changed from=stopping to=starting epoch=2 waiting=1
			82s operation begun operation=start epoch=2 waiting=1`, ""},

	{ruleOneAtATime, "operations",
		stopped,
		asleep + `
			60s state changed from=stopped to=unknown
			60s operation begun operation=check
			60s operation begun operation=check`},
	{ruleOneAtATime, "an end without a beginning",
		stopped,
		idle + "\n30s operation ended operation=check epoch=1"},
	{ruleOneAtATime, "another operation ends",
		stopped,
		waking + "\n3s operation ended operation=stop epoch=1"},
	{ruleOneAtATime, "hooks of one run",
		waking + `
			3s hook begun operation=start epoch=1 pid=52
			4s hook ended operation=start epoch=1 pid=52`, // tried again: exit code 75
		asleep + `
			1s state changed from=stopped to=starting epoch=1 waiting=1
			1s operation begun operation=start epoch=1 waiting=1
			1s hook begun operation=start epoch=1 pid=50
			2s hook begun operation=start epoch=1 pid=51`},
	{ruleOneAtATime, "a status hook beside a start hook is none of these",
		asleep + `
			1s state changed from=stopped to=starting epoch=1 waiting=1
			1s operation begun operation=start epoch=1 waiting=1
			1s hook begun operation=start epoch=1 pid=50
			2s hook begun operation=status epoch=1 pid=51`, ""},
	{ruleOneAtATime, "hooks across a crash",
		idle + `
			80s state changed from=ready to=stopping epoch=1
			80s operation begun operation=stop epoch=1
			80s hook begun operation=stop epoch=1 pid=51
			81s rouse began run=7
			81s state changed from=unknown to=stopping epoch=1
			81s operation begun operation=stop epoch=1
			82s hook ended operation=stop epoch=1 pid=51
			82s hook begun operation=stop epoch=1 pid=52`,
		idle + `
			80s state changed from=ready to=stopping epoch=1
			80s operation begun operation=stop epoch=1
			80s hook begun operation=stop epoch=1 pid=51
			81s rouse began run=7
			81s state changed from=unknown to=stopping epoch=1
			81s operation begun operation=stop epoch=1
			82s hook begun operation=stop epoch=1 pid=52
			83s hook ended operation=stop epoch=1 pid=51`},
	{ruleOneAtATime, "no hook outlives a boot of the machine",
		idle + `
			80s state changed from=ready to=stopping epoch=1
			80s operation begun operation=stop epoch=1
			80s hook begun operation=stop epoch=1 pid=51
			1s rouse began run=7 boot=b
			1s state changed from=unknown to=stopping epoch=1
			1s operation begun operation=stop epoch=1
			1s hook begun operation=stop epoch=1 pid=52`, ""},
	{ruleOneAtATime, "two runs of rouse",
		awake + `
			11s rouse began run=7
			11s operation begun operation=check epoch=1`,
		awake + `
			11s rouse began run=7
			12s client ended client=c1 run=1`},

	{ruleWanted, "a start for nobody",
		waking,
		asleep + `
			1s state changed from=stopped to=starting epoch=1
			1s operation begun operation=start epoch=1`},
	{ruleWanted, "a start that is taken up is no new one",
		awake[:strings.LastIndex(awake, "10s operation")] + `
			3s rouse began run=7
			3s state changed from=unknown to=starting epoch=1 resumed=true
			3s operation begun operation=start epoch=1 resumed=true`, ""},

	{ruleStopFirst, "asked before",
		asleep,
		`0s rouse began
		0s state changed from=unknown to=starting epoch=1
		0s operation begun operation=start epoch=1 waiting=1`},
	{ruleStopFirst, "after a stop that failed",
		stopping + `
			82s operation ended operation=stop epoch=1 error=broken
			82s state changed from=stopping to=unknown epoch=1 waiting=1
			82s operation begun operation=check epoch=1 waiting=1
			83s operation ended operation=check epoch=1
			83s state changed from=unknown to=starting epoch=2 waiting=1
			83s operation begun operation=start epoch=2 waiting=1`,
		stopping + `
			82s operation ended operation=stop epoch=1 error=broken
			82s state changed from=stopping to=starting epoch=2 waiting=1
			82s operation begun operation=start epoch=2 waiting=1`},

	{ruleEpoch, "grows by one",
		stopped + `
			85s state changed from=stopped to=starting epoch=2
			85s operation begun operation=start epoch=2 waiting=1`,
		stopped + `
			85s state changed from=stopped to=starting epoch=3
			85s operation begun operation=start epoch=3 waiting=1`},
	{ruleEpoch, "goes back",
		stopped,
		idle + "\n21s cooldown begins epoch=0 delay=59s"},
	{ruleEpoch, "grows without a start",
		stopped,
		idle + "\n21s cooldown begins epoch=2 delay=59s"},
	{ruleEpoch, "of a client",
		awake,
		awake + "\n11s client connected client=c2 epoch=2"},
	{ruleEpoch, "of a hook",
		stopping,
		asleep + `
			1s state changed from=stopped to=starting epoch=1
			1s operation begun operation=start epoch=1 waiting=1
			1s hook begun operation=start epoch=0 pid=50`},
	{ruleEpoch, "across a crash before any hook",
		asleep + `
			1s state changed from=stopped to=starting epoch=1
			1s operation begun operation=start epoch=1 waiting=1
			2s rouse began run=7
			2s operation begun operation=check epoch=0
			2s operation ended operation=check epoch=0
			2s state changed from=unknown to=starting epoch=1
			2s operation begun operation=start epoch=1 waiting=1`,
		waking + `
			2s rouse began run=7
			2s operation begun operation=check epoch=0`},
	{ruleEpoch, "across an end in order",
		stopped + `
			90s rouse ended
			91s rouse began run=7
			91s operation begun operation=check epoch=1`,
		stopped + `
			90s rouse ended
			91s rouse began run=7
			91s operation begun operation=check epoch=2`},

	{ruleEpoch, "an operation that an earlier rouse began",
		waking + `
			2s rouse began run=7
			2s state changed from=unknown to=starting epoch=1 resumed=true
			2s operation begun operation=start epoch=1 resumed=true
			3s operation ended operation=start epoch=1
			3s state changed from=starting to=ready epoch=1`,
		waking + `
			2s rouse began run=7
			2s operation begun operation=check epoch=1
			2s operation ended operation=check epoch=1
			2s state changed from=unknown to=starting epoch=2 resumed=true
			2s operation begun operation=start epoch=2 resumed=true`},

	{ruleRefusal, "a reason",
		asleep + "\n1s client waits client=c1\n2s client refused client=c1 error=broken elapsed=1s",
		asleep + "\n1s client waits client=c1\n2s client refused client=c1 elapsed=1s"},

	{ruleCounts, "negative",
		idle,
		awake + "\n11s still working waiting=-1 epoch=1"},
	{ruleCounts, "an end without a beginning",
		idle,
		awake + "\n11s client ended client=c2"},
	{ruleCounts, "connected and not counted",
		awake + `
			11s state changed from=ready to=unknown epoch=1 held=1
			11s operation begun operation=check epoch=1 held=1`,
		awake + "\n11s state changed from=ready to=unknown epoch=1\n11s operation begun operation=check epoch=1 held=1"},
	{ruleCounts, "bytes",
		idle,
		awake + "\n11s client ended client=c1 sent=-1"},
	{ruleCounts, "connected when rouse has ended",
		awake + "\n11s client ended client=c1\n12s rouse ended",
		awake + "\n12s rouse ended"},
	{ruleCounts, "waiting when rouse has ended",
		waking + "\n3s client refused client=c1 error=rouse_is_ending elapsed=2s\n12s rouse ended",
		waking + "\n12s rouse ended"},
	{ruleCounts, "one that comes back at once from its own address",
		awake + `
			11s client connected client=c1 epoch=1
			12s client ended client=c1
			12s client ended client=c1
			13s rouse ended`, ""},

	{ruleNoStopUnder, "a visitor is told to go before the stop hook",
		idle + `
			30s client connected client=c2 epoch=1 visits=true
			80s state changed from=ready to=stopping epoch=1
			80s operation begun operation=stop epoch=1
			80s client ended client=c2 elapsed=50s
			80s hook begun operation=stop epoch=1 pid=51
			81s hook ended operation=stop epoch=1 pid=51`,
		idle + `
			30s client connected client=c2 epoch=1 visits=true
			80s state changed from=ready to=stopping epoch=1
			80s operation begun operation=stop epoch=1
			80s hook begun operation=stop epoch=1 pid=51
			81s hook ended operation=stop epoch=1 pid=51`},
	{ruleNoStopUnder, "a visitor that counts",
		idle + `
			30s client connected client=c2 epoch=1 visits=true
			31s client counts client=c2
			90s client ended client=c2 elapsed=60s
			90s cooldown begins epoch=1 delay=60s`,
		idle + `
			30s client connected client=c2 epoch=1 visits=true
			31s client counts client=c2
			100s state changed from=ready to=stopping epoch=1 held=1
			100s operation begun operation=stop epoch=1 held=1`},
	{ruleNotTooSoon, "another cooldown",
		idle + `
			30s config reloaded delay=30s
			50s state changed from=ready to=stopping epoch=1
			50s operation begun operation=stop epoch=1`,
		idle + `
			30s config reloaded delay=50s
			50s state changed from=ready to=stopping epoch=1
			50s operation begun operation=stop epoch=1`},
	{ruleNotTooSoon, "the cooldown",
		stopped,
		idle + "\n70s state changed from=ready to=stopping epoch=1\n70s operation begun operation=stop epoch=1"},
	{ruleNotTooSoon, "rouse ends",
		idle + "\n21s state changed from=ready to=stopping epoch=1 cause=rouse_is_ending\n21s operation begun operation=stop epoch=1", ""},
	{ruleNotTooSoon, "the rest of a cooldown after a crash",
		idle + `
			50s rouse began run=7
			50s operation begun operation=check epoch=1
			51s operation ended operation=check epoch=1
			51s state changed from=unknown to=ready epoch=1
			51s cooldown begins epoch=1 delay=29s
			80s state changed from=ready to=stopping epoch=1
			80s operation begun operation=stop epoch=1`, ""},

	{rulePath, "from what it was",
		stopped,
		idle + "\n20s state changed from=unknown to=ready epoch=1"},
	{rulePath, "never after",
		stopped,
		idle + "\n80s state changed from=ready to=stopped epoch=1"},
	{rulePath, "an operation in its state",
		awake + "\n11s state changed from=ready to=unknown epoch=1 held=1\n11s operation begun operation=check epoch=1 held=1",
		awake + "\n11s operation begun operation=check epoch=1 held=1"},

	{ruleAnswered, "served",
		asleep + "\n0s client waits client=c1\n360s client refused client=c1 error=x elapsed=6m",
		asleep + "\n0s client waits client=c1\n370s client refused client=c1 error=x elapsed=6m10s"},
	{ruleAnswered, "not a word",
		asleep + "\n0s client waits client=c1\n360s still working",
		asleep + "\n0s client waits client=c1\n400s still working"},
	{ruleAnswered, "rouse was paused",
		asleep + "\n0s client waits client=c1\n400s rouse paused elapsed=100s\n401s client refused client=c1 error=x elapsed=401s", ""},

	{ruleStops, "after the cooldown",
		idle + "\n83s state changed from=ready to=stopping epoch=1\n83s operation begun operation=stop epoch=1",
		idle + "\n90s state changed from=ready to=stopping epoch=1\n90s operation begun operation=stop epoch=1"},
	{ruleStops, "never",
		idle + "\n80s still working epoch=1",
		idle + "\n200s still working epoch=1"},
	{ruleStops, "no timer was armed",
		awake + "\n20s client ended client=c1\n80s still working epoch=1",
		awake + "\n20s client ended client=c1\n200s still working epoch=1"},
	{ruleStops, "somebody who dialled has kept it",
		idle + `
			150s client refused client=c2 error=x elapsed=75s
			150s cooldown begins epoch=1 delay=60s`,
		idle + `
			150s client refused client=c2 error=x elapsed=10s
			150s cooldown begins epoch=1 delay=60s`},
	{ruleStops, "rouse was paused",
		idle + `
			130s rouse paused elapsed=60s
			131s state changed from=ready to=stopping epoch=1
			131s operation begun operation=stop epoch=1`, ""},
	{ruleStops, "a pause that is told afterwards",
		idle + `
			130s state changed from=ready to=stopping epoch=1
			130s operation begun operation=stop epoch=1
			130s rouse paused elapsed=60s`, ""},
	{ruleStops, "rouse was dead",
		idle + "\n30s still working epoch=1\n500s rouse began run=7\n500s operation begun operation=check epoch=1", ""},
	{ruleStops, "a stop that failed is tried again",
		stopping + `
			82s operation ended operation=stop epoch=1 error=broken
			82s state changed from=stopping to=unknown epoch=1
			82s waiting to try again epoch=1 delay=1s
			83s state changed from=unknown to=stopping epoch=1
			83s operation begun operation=stop epoch=1`,
		stopping + `
			82s operation ended operation=stop epoch=1 error=broken
			82s state changed from=stopping to=unknown epoch=1
			82s waiting to try again epoch=1 delay=1s
			100s still working epoch=1`},
	{ruleStops, "a stop that failed has a timer",
		stopping + `
			82s operation ended operation=stop epoch=1 error=broken
			82s state changed from=stopping to=unknown epoch=1
			83s still working epoch=1`,
		stopping + `
			82s operation ended operation=stop epoch=1 error=broken
			82s state changed from=stopping to=unknown epoch=1
			100s still working epoch=1`},
	{ruleStops, "a timer for longer than the cooldown",
		idle,
		awake + "\n20s client ended client=c1\n20s cooldown begins epoch=1 delay=61s"},

	{ruleHookEnd, "the operation ends well",
		stopped,
		asleep + `
			1s state changed from=stopped to=starting epoch=1
			1s operation begun operation=start epoch=1 waiting=1
			1s hook begun operation=start epoch=1 pid=50
			9s operation ended operation=start epoch=1`},
	{ruleHookEnd, "the operation gives up on it",
		asleep + `
			1s state changed from=stopped to=starting epoch=1
			1s operation begun operation=start epoch=1 waiting=1
			1s hook begun operation=start epoch=1 pid=50
			9s operation ended operation=start epoch=1 error=process_50_could_not_be_ended
			9s hook ended operation=start epoch=1 pid=50`, ""},
}
