//go:build unix

package examples

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// awsErrors are messages of EC2 by their codes.
var awsErrors = map[string]string{
	"IncorrectInstanceState":       "The instance 'i-1' is not in a state from which it can be %s.",
	"InsufficientInstanceCapacity": "Insufficient capacity.",
	"InstanceLimitExceeded":        "Your quota allows for 0 more running instance(s).",
	"VcpuLimitExceeded":            "You have requested more vCPU capacity than your current vCPU limit of 32 allows.",
	"RequestLimitExceeded":         "Request limit exceeded.",
	"Unavailable":                  "The service is unavailable. Please try again shortly.",
	"InternalError":                "An internal error has occurred",
	"InvalidInstanceID.NotFound":   "The instance ID 'i-1' does not exist",
	"UnauthorizedOperation":        "You are not authorized to perform this operation.",
	"RequestExpired":               "Request has expired.",
	"ExpiredToken":                 "The security token included in the request is expired",
	"AuthFailure":                  "AWS was not able to validate the provided access credentials",
}

// awsWords are the messages that the aws command has of its own.
var awsWords = map[string]string{
	"no credentials": "Unable to locate credentials. You can configure credentials by running \"aws configure\".",
	"no region":      "You must specify a region. You can also configure your region by running \"aws configure\".",
	"no network":     "Could not connect to the endpoint URL: \"https://ec2.eu-central-1.amazonaws.com/\"",
	"slow network":   "Connect timeout on endpoint URL: \"https://ec2.eu-central-1.amazonaws.com/\"",
}

// awsMain stands in for "aws ec2". Start and stop only begin something: each look with
// describe-instances brings it on.
func awsMain(args []string) int {
	words, set := flags(args, "--hibernate")
	if _, ok := os.LookupEnv("AWS_PAGER"); !ok || len(words) != 2 || words[0] != "ec2" || set["--output"] != "text" {
		return unexpected("aws %q", args)
	}
	return withMachine(func(m *machine) int {
		verb := words[1]
		if set["--instance-ids"] != "i-1" || set["--region"] != "eu-central-1" {
			return m.awsFail(verb, "InvalidInstanceID.NotFound")
		}
		if fault := m.Fail[verb]; fault != "" {
			return m.awsFail(verb, fault)
		}
		if verb == "describe-instances" {
			return awsDescribe(m, set["--query"])
		}
		return awsChange(m, verb, set["--hibernate"] != "")
	})
}

// awsFail prints an error the way aws does. Version 1 exits with 255, version 2 with 254.
func (m *machine) awsFail(verb, fault string) int {
	if text, ok := awsWords[fault]; ok {
		fmt.Fprintf(os.Stderr, "\n%s\n", text)
		return 255
	}
	first, _, _ := strings.Cut(verb, "-")
	text := strings.ReplaceAll(awsErrors[fault], "%s", first+"ed")
	fmt.Fprintf(os.Stderr, "\nAn error occurred (%s) when calling the %sInstances operation (reached max retries: 4): %s\n",
		fault, strings.ToUpper(first[:1])+first[1:], text)
	if m.Exit != 0 {
		return m.Exit
	}
	return 254
}

func awsDescribe(m *machine, query string) int {
	if query != "Reservations[0].Instances[0].[State.Name,PublicIpAddress,PrivateIpAddress]" {
		return unexpected("query %q", query)
	}
	m.tick()
	public := "None"
	if m.State == "running" && m.Boots > 0 {
		public = fmt.Sprintf("198.51.100.%d", m.Boots)
	}
	fmt.Printf("%s\t%s\t10.0.1.7\n", m.State, public)
	return 0
}

// awsChange refuses what EC2 refuses.
func awsChange(m *machine, verb string, hibernate bool) int {
	switch verb + " " + m.State {
	case "start-instances running", "start-instances pending", "stop-instances stopped", "stop-instances stopping":
	case "start-instances stopped":
		m.Boots++
		m.turn("pending", "running", 2)
	case "stop-instances running":
		m.turn("stopping", "stopped", 3)
	default:
		return m.awsFail(verb, "IncorrectInstanceState")
	}
	if hibernate {
		verb += " --hibernate"
	}
	m.Calls = append(m.Calls, verb)
	fmt.Println("STARTINGINSTANCES\ti-1\nCURRENTSTATE\t0\tpending\nPREVIOUSSTATE\t80\tstopped")
	return 0
}

func newAWS(t *testing.T, m machine) *kit {
	k := newKit(t, "aws", "aws")
	k.env["EC2_INSTANCE"], k.env["EC2_REGION"], k.env["EC2_POLL"] = "i-1", "eu-central-1", "0"
	k.keep(t, m)
	return k
}

func TestAWSStartsAndStopsAnInstance(t *testing.T) {
	t.Parallel()
	k := newAWS(t, machine{State: "stopped"})
	k.env["EC2_ADDRESS"] = "public"
	k.want(t, "status", 3)
	k.want(t, "stop", 0)
	k.want(t, "start", 0)
	k.wantAddress(t, "address=198.51.100.1\n")
	k.want(t, "start", 0)
	k.wantAddress(t, "address=198.51.100.1\n")
	k.want(t, "status", 0)
	k.want(t, "stop", 0)
	if m := k.machine(t); m.State != "stopped" {
		t.Errorf("stop returned while the instance was %s", m.State)
	}
	k.want(t, "status", 3)
	k.want(t, "start", 0)
	k.wantAddress(t, "address=198.51.100.2\n")
	k.wantCalls(t, "start-instances", "stop-instances", "start-instances")
}

func TestAWSHibernatesAnInstance(t *testing.T) {
	t.Parallel()
	k := newAWS(t, machine{State: "running"})
	k.env["EC2_SLEEP"] = "hibernate"
	k.want(t, "stop", 0)
	k.want(t, "status", 3)
	k.want(t, "start", 0)
	k.wantAddress(t, "")
	k.wantCalls(t, "stop-instances --hibernate", "start-instances")
}

func TestAWSSaysWhatStandsInTheWay(t *testing.T) {
	t.Parallel()
	const look, start, stop = "describe-instances", "start-instances", "stop-instances"
	for _, test := range []struct {
		hook, state, verb, fault string
		code                     int
		text                     string
	}{
		{"start", "stopping", "", "", 75, "stopping"},
		{"start", "pending", "", "", 0, ""},
		{"start", "shutting-down", "", "", 1, "gone for good"},
		{"start", "terminated", "", "", 1, "gone for good"},
		{"start", "None", "", "", 1, "None"},
		{"start", "stopped", start, "IncorrectInstanceState", 75, "try again soon"}, // it began to stop after the look
		{"start", "stopped", start, "InsufficientInstanceCapacity", 75, "no machine of this type"},
		{"start", "stopped", start, "InstanceLimitExceeded", 1, "ask AWS for more"},
		{"start", "stopped", start, "VcpuLimitExceeded", 1, "ask AWS for more"},
		{"start", "stopped", start, "RequestLimitExceeded", 75, "too many requests"},
		{"start", "stopped", start, "Unavailable", 75, "(Unavailable)"},
		{"start", "stopped", start, "InternalError", 75, "(InternalError)"},
		{"start", "stopped", start, "UnauthorizedOperation", 1, "ec2:StartInstances"},
		{"start", "stopped", look, "InvalidInstanceID.NotFound", 1, "EC2_REGION"},
		{"start", "stopped", look, "RequestExpired", 1, "log in"},
		{"start", "stopped", look, "ExpiredToken", 1, "log in"},
		{"start", "stopped", look, "AuthFailure", 1, "log in"},
		{"start", "stopped", look, "no credentials", 1, "log in"},
		{"start", "stopped", look, "no region", 1, "set EC2_REGION"},
		{"start", "stopped", look, "no network", 75, "endpoint"},
		{"start", "stopped", look, "slow network", 75, "endpoint"},
		{"stop", "pending", "", "", 75, "IncorrectInstanceState"},
		{"stop", "running", stop, "RequestLimitExceeded", 75, "too many requests"},
		{"stop", "running", stop, "UnauthorizedOperation", 1, "ec2:StopInstances"},
		{"stop", "running", look, "InvalidInstanceID.NotFound", 1, "EC2_INSTANCE"},
		{"stop", "terminated", "", "", 0, ""},
		{"status", "pending", "", "", 0, ""},
		{"status", "stopping", "", "", 0, ""},
		{"status", "shutting-down", "", "", 0, ""},
		{"status", "terminated", "", "", 3, ""},
		{"status", "None", "", "", 1, "None"},
		{"status", "running", look, "InvalidInstanceID.NotFound", 1, "EC2_INSTANCE"},
		{"status", "running", look, "RequestLimitExceeded", 75, "too many requests"},
		{"status", "running", look, "ExpiredToken", 1, "log in"},
	} {
		t.Run(strings.Join([]string{test.hook, test.state, test.fault}, " "), func(t *testing.T) {
			t.Parallel()
			for _, exit := range []int{254, 255} {
				k := newAWS(t, machine{State: test.state, Fail: map[string]string{test.verb: test.fault}, Exit: exit})
				k.want(t, test.hook, test.code, test.text)
				k.wantAddress(t, "")
				k.wantCalls(t)
			}
		})
	}
}

func TestAWSStopJoinsAStopUnderWay(t *testing.T) {
	t.Parallel()
	k := newAWS(t, machine{State: "stopping", Next: "stopped", Left: 4})
	k.want(t, "stop", 0)
	k.wantCalls(t)
}

func TestAWSStopThatTakesTooLongIsTriedAgain(t *testing.T) {
	t.Parallel()
	k := newAWS(t, machine{State: "stopping"})
	k.env["EC2_WAIT"] = "0"
	k.want(t, "stop", 75, "still stopping")
}

func TestAWSNeverTellsAnAddressThatIsNotThere(t *testing.T) {
	t.Parallel()
	k := newAWS(t, machine{State: "running"})
	k.env["EC2_ADDRESS"] = "public"
	k.want(t, "start", 1, "has no public IPv4 address")
	k.wantAddress(t, "")
	k.env["EC2_ADDRESS"] = "private"
	k.want(t, "start", 0)
	k.wantAddress(t, "address=10.0.1.7\n")
	k.env["EC2_ADDRESS"] = "EUID"
	k.want(t, "start", 1, "EC2_ADDRESS must be")
	k.env["EC2_SLEEP"] = "terminate"
	k.want(t, "stop", 1, "EC2_SLEEP must be")
}
