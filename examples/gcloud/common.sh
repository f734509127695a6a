# shellcheck shell=bash
# Settings and shared functions of the Google Cloud hooks. Sourced by them, not run.
# Edit a value here, or leave it and pass --hook-env=NAME=VALUE to rouse.
set -euo pipefail

# The instance, and where it is. An empty project means gcloud's own setting.
GCE_INSTANCE=${GCE_INSTANCE:-myapp}
GCE_ZONE=${GCE_ZONE:-europe-west1-b}
GCE_PROJECT=${GCE_PROJECT:-}
# How it sleeps. stop: shut down. suspend: memory is saved (and billed as storage),
# and the instance goes on where it was.
GCE_SLEEP=${GCE_SLEEP:-stop}
# The address to tell rouse at each start: none, internal or external.
GCE_ADDRESS=${GCE_ADDRESS:-none}
# Seconds that a hook waits for the instance to be down or to have its address, and
# seconds between two looks. Keep --start-timeout and --stop-timeout above GCE_WAIT.
GCE_WAIT=${GCE_WAIT:-240}
GCE_POLL=${GCE_POLL:-5}

say() { printf '%s\n' "$*" >&2; }

command -v gcloud >/dev/null || {
	say "found no program \"gcloud\" in $PATH: install the Google Cloud CLI, or run rouse with a PATH that has it"
	exit 1
}
complaint=$(mktemp)
trap 'rm -f -- "$complaint"' EXIT

# gce VERB [FLAG...] runs one command on the instance. What it prints on standard
# error is kept in the file $complaint.
gce() {
	local verb=$1
	shift
	CLOUDSDK_CORE_DISABLE_PROMPTS=1 gcloud compute instances "$verb" "$GCE_INSTANCE" --zone="$GCE_ZONE" \
		${GCE_PROJECT:+"--project=$GCE_PROJECT"} --quiet "$@" 2>"$complaint"
}

# give_up ends the hook with the exit code that fits what gcloud complained of: 75
# for what may pass soon, otherwise 1.
give_up() {
	local text
	text=$(<"$complaint")
	say "gcloud: $text"
	case $text in
	*"is not ready"* | *[Rr]esourceNotReady* | *RESOURCE_NOT_READY*)
		say "another operation on the instance is under way: try again soon"
		exit 75 ;;
	*RESOURCE_POOL_EXHAUSTED* | *"enough resources available"* | *"currently unavailable in the"* | *STOCKOUT*)
		say "the zone has no machine of this type free now: try again, or choose another zone or type"
		exit 75 ;;
	*rateLimitExceeded* | *RATE_LIMIT_EXCEEDED* | *"Rate Limit Exceeded"* | *"HTTPError 429"* | *"quota metric"*)
		say "too many requests: try again soon"
		exit 75 ;;
	*"HTTPError 5"[0-9][0-9]* | *"try again"* | *[Bb]ackend[\ Ee]* | *"Bad Gateway"* | *"ervice Unavailable"* | *"timed out"* | *"onnection reset"* | *"onnection refused"* | \
		*"onnection aborted"* | *"Max retries exceeded"* | *"Unable to find the server"* | *"etwork is unreachable"* | *"name resolution"*)
		exit 75 ;;
	*QUOTA_EXCEEDED* | *[Qq]uota*exceeded*)
		say "the quota is used up: free some of it or ask Google for more" ;;
	*"was not found"* | *notFound* | *"HTTPError 404"*)
		say "check GCE_INSTANCE, GCE_ZONE and GCE_PROJECT" ;;
	*"HTTPError 401"* | *"auth tokens"* | *"active account"* | *eauthenticat* | *invalid_grant* | *credentials*)
		say "log in as the user that runs rouse: \"gcloud auth login\", or better a service account" ;;
	*"HTTPError 403"* | *ermission* | *PERMISSION_DENIED*)
		say "the account needs compute.instances.get, start, stop, suspend and resume on this instance" ;;
	esac
	exit 1
}

# look sets state, internal and external to what Google says of the instance.
look() {
	local reply
	reply=$(gce describe --format='csv[no-heading](status,networkInterfaces[0].networkIP,networkInterfaces[0].accessConfigs[0].natIP)') || give_up
	# shellcheck disable=SC2034 # chosen by name in tell_address
	IFS=, read -r state internal external <<<"$reply"
}

# wait_for_off looks until the instance has stopped; it ends the hook with 75 when
# that takes longer than GCE_WAIT.
wait_for_off() {
	local end=$((SECONDS + GCE_WAIT))
	while look; do
		case $state in TERMINATED | STOPPED | SUSPENDED) return ;; esac
		((SECONDS < end)) || break
		sleep "$GCE_POLL"
	done
	say "the instance is still $state after ${GCE_WAIT}s: try again soon"
	exit 75
}

# tell_address gives rouse the address that the instance has in this run.
tell_address() {
	local end=$((SECONDS + GCE_WAIT)) address
	case $GCE_ADDRESS in
	none) return ;;
	internal | external) ;;
	*)
		say "GCE_ADDRESS must be none, internal or external, not \"$GCE_ADDRESS\""
		exit 1 ;;
	esac
	while look; do
		address=${!GCE_ADDRESS}
		if [[ $address =~ ^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$ ]]; then
			printf 'address=%s\n' "$address" >"${ROUSE_OUTPUT:-/dev/stdout}"
			return
		fi
		if [[ $state == RUNNING ]]; then
			say "the instance runs and has no $GCE_ADDRESS IPv4 address: set GCE_ADDRESS=none, or give it one"
			exit 1
		fi
		((SECONDS < end)) || break
		sleep "$GCE_POLL"
	done
	say "the instance is $state and has no $GCE_ADDRESS address after ${GCE_WAIT}s: try again soon"
	exit 75
}
