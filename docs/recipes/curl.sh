#!/bin/sh
# Sends a batch to each API with curl and checks the verdicts: MOCK_URL=http://localhost:8207 sh curl.sh
#
# The key names the session, so a new key separates this run from all others.
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

expect() { # description, expected part of the reply, reply
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
expect 'Whisperr sends the same reply for a duplicate' '"accepted":1' "$(send POST /v1/events/batch "$whisperr" --header "X-API-Key: $key")"

# The wait returns when the events have arrived and no more requests follow, so the script needs no sleep.
session=/_mock/sessions/$key
expect 'five events in the session, the duplicate not counted' '"satisfied":true' \
  "$(send POST "$session/wait" '{"exactly": 5, "quiet_ms": 100, "timeout_ms": 5000}')"
expect 'the duplicate is in the journal' '"duplicate":1' "$(curl --silent --show-error --fail "$url$session")"

# The journal has the reason for a refusal; the reply contains only what the vendor sends.
expect 'Outlit accepts the valid event of a batch and reports the invalid one' '"errors":[{"index":1,' \
  "$(send POST "/api/i/v1/$key-refused/events" '{
  "source": "server",
  "events": [
    {"type": "identify", "url": "server://jane@acme.com", "path": "/", "email": "jane@acme.com", "timestamp": '"$now"'},
    {"type": "purchase", "url": "server://jane@acme.com", "path": "/", "timestamp": '"$now"'}
  ]}')"
expect 'the journal has the location of the error' '"pointer":"/type"' \
  "$(curl --silent --show-error --fail "$url$session-refused/events?verdict=rejected")"
