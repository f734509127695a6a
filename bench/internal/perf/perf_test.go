package perf

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestEachSampleHasOneOwner(t *testing.T) {
	script, err := os.Open("testdata/script.txt") // of rouse, one stack of each sort
	if err != nil {
		t.Fatal(err)
	}
	defer script.Close()
	got, err := ParseScript(script)
	want := map[string]int{"sendto": 1, "epoll_pwait": 1, "read": 1, Edge: 2, Switch: 1, Interrupts: 1, Own: 1, Runtime: 2}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("ParseScript = %v, %v, want %v", got, err, want)
	}
}

func TestTheOutermostSystemCallCounts(t *testing.T) {
	for want, script := range map[string]string{
		"splice":      "ffff800080a0 tcp_sendmsg\nffff800080b0 do_splice\nffff800080c0 __arm64_sys_splice\nffff800080d0 invoke_syscall\n 4a10 main.f\n",
		"sendto":      "ffffffff01 ksys_write\nffffffff81 __sys_sendto\nffffffff82 __x64_sys_sendto\n",
		"epoll_pwait": "ffffffff01 schedule\nffffffff81 do_epoll_wait\nffffffff82 do_syscall_64\n",
		Edge:          "ffffffff01 el0_svc_common.constprop.0\nffffffff02 el0_svc\n 4a10 main.f\n",
		Interrupts:    "ffffffff01 handle_softirqs\nffffffff81 asm_sysvec_apic_timer_interrupt\n 4a10 main.f\n",
	} {
		script = strings.ReplaceAll(script, "ffff8000", "ffff8000ffff")
		script = strings.ReplaceAll(script, "ffffffff", "ffffffffffffff")
		got, err := ParseScript(strings.NewReader(script))
		if err != nil || len(got) != 1 || got[want] != 1 {
			t.Errorf("%v, %v, want one of %s", got, err, want)
		}
	}
}

func TestWhoseCodeAFunctionIs(t *testing.T) {
	for name, want := range map[string]string{
		"github.com/rouse-proxy/rouse/internal/relay.(*Link).pump":   Own,
		"github.com/x/y.Do[go.shape.struct { runtime.a int }].func1": Own,
		"time.Now":                                Own,
		"main.main":                               Own,
		"runtime.mallocgc":                        Runtime,
		"runtime.(*mcache).refill":                Runtime,
		"internal/runtime/atomic.(*Uint32).Load":  Runtime,
		"memeqbody":                               Runtime,
		"internal/runtime/syscall/linux.Syscall6": Edge,
		"syscall.RawSyscall6.abi0":                Edge,
		"syscall.Sockaddr.x":                      Own,
		"[unknown]":                               Nameless,
		"":                                        Nameless,
	} {
		if got := codeOf(name); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	}
}

func TestCountsOfSystemCalls(t *testing.T) {
	got, err := ParseStat(`# started on Wed Nov 25 23:49:39 2026

3387998,,syscalls:sys_enter_write,872256854,100.00,,
0,,syscalls:sys_enter_splice,872256854,100.00,,
<not counted>,,syscalls:sys_enter_poll,0,100.00,,
3388000,,raw_syscalls:sys_enter,872256854,100.00,,
12.5,,cpu-clock,1,100.00,,
`)
	if want := map[string]float64{"write": 3387998, All: 3388000}; err != nil || !maps.Equal(got, want) {
		t.Errorf("ParseStat = %v, %v, want %v", got, err, want)
	}
	for _, text := range []string{"", "<not counted>,,raw_syscalls:sys_enter,0,100.00,,\n", "7,,syscalls:sys_enter_write,1,1,,\n"} {
		if got, err := ParseStat(text); err == nil {
			t.Errorf("%q gives %v", text, got)
		}
	}
}

func TestACommandLineNamesEveryProcess(t *testing.T) {
	for _, line := range [][]string{Record("/x/samples", []int{7, 8}, 997), Stat("/x/counts", []int{7, 8})} {
		i := slices.Index(line, "-p")
		if i < 0 || line[i+1] != "7,8" || line[len(line)-1] != "--" || !slices.Contains(line, "-o") {
			t.Errorf("%q", line)
		}
	}
}
