# shellcheck shell=bash
# Settings and shared functions of the EC2 hooks. Sourced by them, not run.
# Edit a value here, or leave it and pass --hook-env=NAME=VALUE to rouse.
set -euo pipefail

# The instance, by its id.
EC2_INSTANCE=${EC2_INSTANCE:-i-0123456789abcdef0}
# Its region. Empty: what the aws command finds in its own settings.
EC2_REGION=${EC2_REGION:-}
# How it sleeps: stop, or hibernate where the instance was made for it.
EC2_SLEEP=${EC2_SLEEP:-stop}
# The address to tell rouse at each start: none, private or public. EC2 gives a new
# public address at each start, unless it is an Elastic IP.
EC2_ADDRESS=${EC2_ADDRESS:-none}
# Seconds that a hook waits for the instance to be down or to have its address, and
# seconds between two looks. Keep --start-timeout and --stop-timeout above EC2_WAIT.
EC2_WAIT=${EC2_WAIT:-240}
EC2_POLL=${EC2_POLL:-5}

say() { printf '%s\n' "$*" >&2; }

command -v aws >/dev/null || {
	say "found no program \"aws\" in $PATH: install the AWS CLI, or run rouse with a PATH that has it"
	exit 1
}
complaint=$(mktemp)
trap 'rm -f -- "$complaint"' EXIT

# ec2 VERB [FLAG...] runs one command on the instance. What it prints on standard
# error is kept in the file $complaint.
ec2() {
	local verb=$1
	shift
	AWS_PAGER='' aws ec2 "$verb" --instance-ids "$EC2_INSTANCE" ${EC2_REGION:+"--region=$EC2_REGION"} \
		--output text --cli-connect-timeout 10 --cli-read-timeout 30 "$@" 2>"$complaint"
}

# give_up ends the hook with the exit code that fits what aws complained of: 75 for
# what may pass soon, otherwise 1.
give_up() {
	local text
	text=$(<"$complaint")
	say "aws: $text"
	case $text in
	*"(IncorrectInstanceState)"* | *"(IncorrectState)"*)
		say "the instance changes its state just now: try again soon"
		exit 75 ;;
	*"(InsufficientInstanceCapacity)"* | *"(InsufficientHostCapacity)"* | *"(InsufficientCapacity"* | *"(Server.Insufficient"*)
		say "the zone has no machine of this type free now: try again, or choose another zone or type"
		exit 75 ;;
	*"(RequestLimitExceeded)"* | *"(Throttl"* | *"(RequestThrottled"* | *"(EC2ThrottledException)"* | *"(TooManyRequests"*)
		say "too many requests: try again soon"
		exit 75 ;;
	*"(InternalError)"* | *"(InternalFailure)"* | *"(Unavailable)"* | *"(ServiceUnavailable)"* | *"(RequestTimeout"* | \
		*"ould not connect to the endpoint"* | *"timeout on endpoint"* | *"timed out"* | *"onnection was closed"* | *"onnection reset"*)
		exit 75 ;;
	*LimitExceeded\)*)
		say "the quota is used up: free some of it or ask AWS for more" ;;
	*"(InvalidInstanceID"*)
		say "check EC2_INSTANCE and EC2_REGION" ;;
	*"specify a region"*)
		say "set EC2_REGION" ;;
	*"(UnauthorizedOperation)"* | *"(AccessDenied"*)
		say "the identity needs ec2:DescribeInstances, ec2:StartInstances and ec2:StopInstances" ;;
	*"(ExpiredToken"* | *"(RequestExpired)"* | *"(AuthFailure)"* | *"(InvalidClientTokenId)"* | *redentials* | *"oken has expired"*)
		say "log in as the user that runs rouse, or better use an instance role; check the clock too" ;;
	esac
	exit 1
}

# look sets state, public and private to what AWS says of the instance.
look() {
	local reply
	reply=$(ec2 describe-instances --query 'Reservations[0].Instances[0].[State.Name,PublicIpAddress,PrivateIpAddress]') || give_up
	# shellcheck disable=SC2034 # chosen by name in tell_address
	read -r state public private <<<"$reply"
}

# wait_for_off looks until the instance has stopped; it ends the hook with 75 when
# that takes longer than EC2_WAIT.
wait_for_off() {
	local end=$((SECONDS + EC2_WAIT))
	while look; do
		case $state in stopped | terminated) return ;; esac
		((SECONDS < end)) || break
		sleep "$EC2_POLL"
	done
	say "the instance is still $state after ${EC2_WAIT}s: try again soon"
	exit 75
}

# tell_address gives rouse the address that the instance has in this run.
tell_address() {
	local end=$((SECONDS + EC2_WAIT)) address
	case $EC2_ADDRESS in
	none) return ;;
	private | public) ;;
	*)
		say "EC2_ADDRESS must be none, private or public, not \"$EC2_ADDRESS\""
		exit 1 ;;
	esac
	while look; do
		address=${!EC2_ADDRESS}
		if [[ $address =~ ^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$ ]]; then
			printf 'address=%s\n' "$address" >"${ROUSE_OUTPUT:-/dev/stdout}"
			return
		fi
		if [[ $state == running ]]; then
			say "the instance runs and has no $EC2_ADDRESS IPv4 address: set EC2_ADDRESS=none, or give it one"
			exit 1
		fi
		((SECONDS < end)) || break
		sleep "$EC2_POLL"
	done
	say "the instance is $state and has no $EC2_ADDRESS address after ${EC2_WAIT}s: try again soon"
	exit 75
}
