// What the control surface sends, as far as the page uses it. The reference is /_mock/openapi.json.

/** @typedef {"accepted" | "duplicate" | "rejected"} Verdict */

/**
 * @typedef {object} Finding
 * @property {string} rule JSON Pointer of the violated fact in the contract.
 * @property {"error" | "warning"} severity
 * @property {string} pointer JSON Pointer into the event, or into the body for a finding about the request.
 * @property {unknown} expected
 * @property {unknown} got
 * @property {string} source
 * @property {string} message
 */

/**
 * @typedef {object} RequestRow
 * @property {string} id
 * @property {number} seq
 * @property {string} received_at
 * @property {string} session_time
 * @property {string | null} protocol
 * @property {string | null} operation
 * @property {string} method
 * @property {string} path
 * @property {number | null} status
 * @property {number} events
 * @property {Record<string, unknown> | null} fault
 * @property {string} from
 */

/**
 * @typedef {object} EventRow
 * @property {string} id
 * @property {string} request_id
 * @property {number} index
 * @property {number} seq
 * @property {string | null} type
 * @property {Verdict} verdict
 * @property {Finding[]} findings
 * @property {unknown} event
 * @property {unknown} stored
 */

/** @typedef {{text: string} | {base64: string}} Body */

/**
 * @typedef {object} Message
 * @property {[string, string][]} headers
 * @property {Body} body
 * @property {number} [status]
 */

/** @typedef {RequestRow & {request: Message, reply: Message | null, contract_reply: Message | null,
 *   upstream_reply: Message | null, findings: Finding[],
 *   event_pointer: string | null, connection: string}} RequestDetail */

/**
 * @typedef {object} StreamedRequest
 * @property {string} session
 * @property {RequestRow} request
 * @property {Finding[]} findings
 * @property {number} left_out
 * @property {EventRow[]} events
 */

/**
 * @typedef {object} StreamedEviction
 * @property {string | null} session
 * @property {string} reason
 * @property {number | null} requests
 */

/**
 * @typedef {object} StreamEvent
 * @property {string} id
 * @property {string} name
 * @property {any} data
 */

/**
 * @typedef {object} Attempt
 * @property {string} request_id
 * @property {number} index
 * @property {string} at
 * @property {number | null} status
 * @property {Record<string, unknown> | null} fault
 */

/**
 * @typedef {object} Delivery
 * @property {string} id
 * @property {string} by
 * @property {string} protocol
 * @property {string | null} type
 * @property {string} label
 * @property {Attempt[]} attempts
 * @property {string} fate
 * @property {string[]} flags
 */

/**
 * @typedef {object} RuleScore
 * @property {string} protocol
 * @property {string} rule
 * @property {string} text
 * @property {"must" | "should"} level
 * @property {string} source
 * @property {"pass" | "fail" | "not_exercised"} verdict
 * @property {string} message
 * @property {string[]} requests
 * @property {{name: string, text: string} | null} stimulus
 */

export {};
