//go:build unix

package examples

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// gcloudErrors are gcloud's own words, as version 528 prints them for these answers of
// Compute Engine.
var gcloudErrors = map[string]string{
	"not ready":      "HTTPError 400: The resource 'projects/p1/zones/z1/instances/vm1' is not ready",
	"not ready late": "The resource 'projects/p1/zones/z1/instances/vm1' is not ready",
	"stock-out": "---\ncode: ZONE_RESOURCE_POOL_EXHAUSTED\nmessage: The zone 'projects/p1/zones/z1' does not have enough resources available\n" +
		"  to fulfill the request.  Try a different zone, or try again later.",
	"stock-out, older": " - The zone 'projects/p1/zones/z1' does not have enough resources available to fulfill the request.  Try a different zone, or try again later.",
	"quota":            " - Quota 'CPUS' exceeded.  Limit: 24.0 in region us-central1.",
	"rate":             "HTTPError 403: Rate Limit Exceeded. This command is authenticated with an access token",
	"rate reason":      "HTTPError 403: rateLimitExceeded",
	"rate 429":         "HTTPError 429: Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'compute.googleapis.com'",
	"internal":         "HTTPError 503: Internal error. Please try again or contact Google Support.",
	"bad gateway":      "HTTPError 502: Bad Gateway",
	"backend":          "HTTPError 503: Backend Error",
	"no connection":    "gcloud crashed (ConnectionError): HTTPSConnectionPool(host='compute.googleapis.com', port=443): Max retries exceeded with url: /compute/v1",
	"no network":       "There was a problem refreshing your current auth tokens: Unable to find the server at oauth2.googleapis.com",
	"not found":        "HTTPError 404: The resource 'projects/p1/zones/z1/instances/vm1' was not found",
	"forbidden":        "HTTPError 403: Required 'compute.instances.start' permission for 'projects/p1/zones/z1/instances/vm1'",
	"expired": "There was a problem refreshing your current auth tokens: ('invalid_grant: Bad Request', {'error': 'invalid_grant'})\n" +
		"Please run:\n\n  $ gcloud auth login\n\nto obtain new credentials.",
	"unauthenticated": "HTTPError 401: Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
}

// gcloudMain stands in for "gcloud compute instances". Start, stop, suspend and resume
// only begin something: each look with describe brings it on.
func gcloudMain(args []string) int {
	words, set := flags(args, "--quiet", "--async")
	if len(words) != 4 || words[0] != "compute" || words[1] != "instances" || set["--quiet"] == "" || os.Getenv("CLOUDSDK_CORE_DISABLE_PROMPTS") != "1" {
		return unexpected("gcloud %q", args)
	}
	return withMachine(func(m *machine) int {
		verb := words[2]
		if words[3] != "vm1" || set["--zone"] != "z1" || set["--project"] != "p1" {
			return gcloudFail(verb, "not found")
		}
		if fault := m.Fail[verb]; fault != "" {
			return gcloudFail(verb, fault)
		}
		if verb == "describe" {
			return gcloudDescribe(m, set["--format"])
		}
		return gcloudChange(m, verb)
	})
}

// gcloudFail prints an error the way gcloud does. What Compute Engine answers to
// describe is shown without its HTTP status.
func gcloudFail(verb, fault string) int {
	text := gcloudErrors[fault]
	if strings.Contains(text, "gcloud crashed") {
		fmt.Fprintf(os.Stderr, "ERROR: %s\n", text)
		return 1
	}
	if status, answer, ok := strings.Cut(text, ": "); ok && verb == "describe" && strings.HasPrefix(status, "HTTPError ") {
		text = "Could not fetch resource:\n - " + answer
	}
	fmt.Fprintf(os.Stderr, "ERROR: (gcloud.compute.instances.%s) %s\n", verb, text)
	return 1
}

func gcloudDescribe(m *machine, format string) int {
	if format != "csv[no-heading](status,networkInterfaces[0].networkIP,networkInterfaces[0].accessConfigs[0].natIP)" {
		return unexpected("format %q", format)
	}
	m.tick()
	external := ""
	if m.State == "RUNNING" && m.Boots > 0 {
		external = fmt.Sprintf("203.0.113.%d", m.Boots)
	}
	fmt.Fprintln(os.Stderr, "WARNING: this line is for people and must not be taken for the answer")
	fmt.Printf("%s,10.132.0.7,%s\n", m.State, external)
	return 0
}

// gcloudChange refuses what Compute Engine refuses.
func gcloudChange(m *machine, verb string) int {
	switch verb + " " + m.State {
	case "start RUNNING", "stop TERMINATED":
	case "start TERMINATED", "resume SUSPENDED":
		m.Boots++
		m.turn("STAGING", "RUNNING", 2)
	case "stop RUNNING", "stop SUSPENDED":
		m.turn("STOPPING", "TERMINATED", 3)
	case "suspend RUNNING":
		m.turn("SUSPENDING", "SUSPENDED", 3)
	default:
		return gcloudFail(verb, "not ready")
	}
	m.Calls = append(m.Calls, verb)
	fmt.Fprintln(os.Stderr, "Updated [https://www.googleapis.com/compute/v1/projects/p1/zones/z1/instances/vm1].")
	return 0
}

func newGcloud(t *testing.T, m machine) *kit {
	k := newKit(t, "gcloud", "gcloud")
	k.env["GCE_INSTANCE"], k.env["GCE_ZONE"], k.env["GCE_PROJECT"] = "vm1", "z1", "p1"
	k.env["GCE_POLL"] = "0"
	k.keep(t, m)
	return k
}

func TestGcloudStartsAndStopsAnInstance(t *testing.T) {
	t.Parallel()
	k := newGcloud(t, machine{State: "TERMINATED"})
	k.env["GCE_ADDRESS"] = "external"
	k.want(t, "status", 3)
	k.want(t, "stop", 0)
	k.want(t, "start", 0)
	k.wantAddress(t, "address=203.0.113.1\n")
	k.want(t, "start", 0)
	k.wantAddress(t, "address=203.0.113.1\n")
	k.want(t, "status", 0)
	k.want(t, "stop", 0)
	if m := k.machine(t); m.State != "TERMINATED" {
		t.Errorf("stop returned while the instance was %s", m.State)
	}
	k.want(t, "status", 3)
	k.want(t, "start", 0)
	k.wantAddress(t, "address=203.0.113.2\n")
	k.wantCalls(t, "start", "stop", "start")
}

func TestGcloudSuspendsAndResumesAnInstance(t *testing.T) {
	t.Parallel()
	k := newGcloud(t, machine{State: "RUNNING"})
	k.env["GCE_SLEEP"] = "suspend"
	k.want(t, "stop", 0)
	k.want(t, "status", 3)
	k.want(t, "stop", 0)
	k.want(t, "start", 0)
	k.wantAddress(t, "")
	k.want(t, "status", 0)
	k.wantCalls(t, "suspend", "resume")
}

func TestGcloudSaysWhatStandsInTheWay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		hook, state, verb, fault string
		code                     int
		text                     string
	}{
		{"start", "STOPPING", "", "", 75, "STOPPING"},
		{"start", "PENDING_STOP", "", "", 75, "PENDING_STOP"},
		{"start", "SUSPENDING", "", "", 75, "SUSPENDING"},
		{"start", "REPAIRING", "", "", 75, "REPAIRING"},
		{"start", "STAGING", "", "", 0, ""},
		{"start", "DEPROVISIONING", "", "", 1, "DEPROVISIONING"},
		{"start", "TERMINATED", "start", "not ready", 75, "is not ready"}, // it began to stop after the look
		{"start", "TERMINATED", "start", "not ready late", 75, "is not ready"},
		{"start", "TERMINATED", "start", "stock-out", 75, "no machine of this type"},
		{"start", "TERMINATED", "start", "stock-out, older", 75, "no machine of this type"},
		{"start", "TERMINATED", "start", "quota", 1, "ask Google for more"},
		{"start", "TERMINATED", "start", "rate", 75, "too many requests"},
		{"start", "TERMINATED", "start", "rate reason", 75, "too many requests"},
		{"start", "TERMINATED", "start", "rate 429", 75, "too many requests"},
		{"start", "TERMINATED", "start", "internal", 75, "HTTPError 503"},
		{"start", "TERMINATED", "start", "forbidden", 1, "compute.instances.get"},
		{"start", "TERMINATED", "describe", "expired", 1, "gcloud auth login"},
		{"start", "TERMINATED", "describe", "unauthenticated", 1, "gcloud auth login"},
		{"start", "TERMINATED", "describe", "no network", 75, "Unable to find the server"},
		{"start", "TERMINATED", "describe", "no connection", 75, "Max retries exceeded"},
		{"start", "TERMINATED", "describe", "internal", 75, "Internal error"},
		{"start", "TERMINATED", "describe", "bad gateway", 75, "Bad Gateway"},
		{"start", "TERMINATED", "describe", "backend", 75, "Backend Error"},
		{"start", "TERMINATED", "describe", "rate 429", 75, "too many requests"},
		{"start", "TERMINATED", "describe", "forbidden", 1, "compute.instances.get"},
		{"start", "TERMINATED", "describe", "not found", 1, "GCE_ZONE"},
		{"stop", "STAGING", "", "", 75, "is not ready"},
		{"stop", "PROVISIONING", "", "", 75, "is not ready"},
		{"stop", "RUNNING", "stop", "rate", 75, "too many requests"},
		{"stop", "RUNNING", "stop", "forbidden", 1, "compute.instances.get"},
		{"stop", "RUNNING", "describe", "not found", 1, "GCE_ZONE"},
		{"status", "STAGING", "", "", 0, ""},
		{"status", "STOPPING", "", "", 0, ""},
		{"status", "SUSPENDED", "", "", 3, ""},
		{"status", "SOMETHING_NEW", "", "", 1, "SOMETHING_NEW"},
		{"status", "RUNNING", "describe", "not found", 1, "GCE_ZONE"},
		{"status", "RUNNING", "describe", "expired", 1, "gcloud auth login"},
		{"status", "RUNNING", "describe", "rate", 75, "too many requests"},
	} {
		t.Run(strings.Join([]string{test.hook, test.state, test.fault}, " "), func(t *testing.T) {
			t.Parallel()
			k := newGcloud(t, machine{State: test.state, Fail: map[string]string{test.verb: test.fault}})
			k.want(t, test.hook, test.code, test.text)
			k.wantAddress(t, "")
			k.wantCalls(t)
		})
	}
}

func TestGcloudStopJoinsAStopUnderWay(t *testing.T) {
	t.Parallel()
	k := newGcloud(t, machine{State: "STOPPING", Next: "TERMINATED", Left: 4})
	k.want(t, "stop", 0)
	k.wantCalls(t)
}

func TestGcloudStopThatTakesTooLongIsTriedAgain(t *testing.T) {
	t.Parallel()
	k := newGcloud(t, machine{State: "STOPPING"})
	k.env["GCE_WAIT"] = "0"
	k.want(t, "stop", 75, "still STOPPING")
}

func TestGcloudNeverTellsAnAddressThatIsNotThere(t *testing.T) {
	t.Parallel()
	k := newGcloud(t, machine{State: "RUNNING"})
	k.env["GCE_ADDRESS"] = "external"
	k.want(t, "start", 1, "has no external IPv4 address")
	k.wantAddress(t, "")
	k.env["GCE_ADDRESS"] = "internal"
	k.want(t, "start", 0)
	k.wantAddress(t, "address=10.132.0.7\n")
	k.env["GCE_ADDRESS"] = "EUID"
	k.want(t, "start", 1, "GCE_ADDRESS must be")
	k.env["GCE_SLEEP"] = "delete"
	k.want(t, "stop", 1, "GCE_SLEEP must be")
}
