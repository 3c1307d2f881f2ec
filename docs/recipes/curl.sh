#!/bin/sh
# A batch to each API with nothing but curl, and the verdict: MOCK_URL=http://localhost:8207 sh curl.sh
#
# The key an API is called with names the session, so one fresh key keeps this run apart from every other.
set -eu
url=${MOCK_URL:-http://localhost:8207}
now=$(date +%s)000
key=${MOCK_KEY:-pk_curl_$(date +%s)_$$}

send() { # method, path, body, further arguments of curl
  method=$1 path=$2 body=$3
  shift 3
  curl --silent --show-error --fail-with-body --max-time 30 --request "$method" "$url$path" \
    --header 'Content-Type: application/json' --data "$body" "$@"
  echo
}

expect() { # what for, a part of the answer, the answer
  case $3 in
    *"$2"*) echo "ok: $1" ;;
    *) echo "not ok: $1: expected $2 in $3" >&2 && exit 1 ;;
  esac
}

expect 'Outlit processed both events' '"processed":2' "$(send POST "/api/i/v1/$key/events" '{
  "source": "server",
  "events": [
    {"type": "identify", "url": "server://jane@acme.com", "path": "/", "email": "jane@acme.com", "timestamp": '"$now"'},
    {"type": "custom", "url": "server://jane@acme.com", "path": "/", "eventName": "subscription_created",
     "timestamp": '"$now"', "properties": {"__email": "jane@acme.com", "plan": "pro"}}
  ]}')"

expect 'Apex received both events' '"received":2' "$(send POST /api/events '{
  "projectKey": "'"$key"'",
  "userId": "lead_456",
  "events": [{"type": "pageview", "url": "/pricing"}, {"type": "form_submit", "url": "/signup"}]}')"

whisperr='{"events": [{"external_user_id": "user_8842", "event_type": "trial_started", "properties": {},
  "context": {"$message_id": "'"$key"'-1"}}]}'
expect 'Whisperr accepted the event' '"accepted":1' "$(send POST /v1/events/batch "$whisperr" --header "X-API-Key: $key")"
expect 'Whisperr answers a repeat alike' '"accepted":1' "$(send POST /v1/events/batch "$whisperr" --header "X-API-Key: $key")"

# The wait is answered when the events are there and the wire was quiet, so a script needs no pause of its own.
session=/_mock/sessions/$key
expect 'five events in the session, the repeat not counted' '"satisfied":true' \
  "$(send POST "$session/wait" '{"exactly": 5, "quiet_ms": 100, "timeout_ms": 5000}')"
expect 'the repeat is in the journal' '"duplicate":1' "$(curl --silent --show-error --fail "$url$session")"

# Why an event is refused stands in the journal; the reply says no more than the vendor's does.
expect 'Outlit takes the good event of a batch and names the bad one' '"errors":[{"index":1,' \
  "$(send POST "/api/i/v1/$key-refused/events" '{
  "source": "server",
  "events": [
    {"type": "identify", "url": "server://jane@acme.com", "path": "/", "email": "jane@acme.com", "timestamp": '"$now"'},
    {"type": "purchase", "url": "server://jane@acme.com", "path": "/", "timestamp": '"$now"'}
  ]}')"
expect 'the journal points at the member that is wrong' '"pointer":"/type"' \
  "$(curl --silent --show-error --fail "$url$session-refused/events?verdict=rejected")"
