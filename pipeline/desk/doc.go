// Package desk is the vocabulary of Switchboard: every noun and the rules that
// belong to it. Every other room speaks these types and no room needs another
// room's types.
//
// What goes in and out: plain values. A channel makes a [Draft]; the pipeline
// turns a Draft into a [Filing]; the store keeps it as [Ticket], [Message],
// [Customer] and [Event]; a [Reply] goes back out and comes home as a [Proof].
//
// What it promises: purity. Nothing here reads a clock, does I/O or starts a
// goroutine. Values are not safe for concurrent mutation; a [Policy] is never
// mutated after it was built and may be shared.
//
// What it may not know: databases, queues, wire protocols, vendors. Types carry
// json and yaml tags, never gorm tags.
//
// The words:
//
//	channel    the medium: email, Slack, Teams, a form, chat, the API
//	source     one configured instance of a channel: one mailbox account, one workspace
//	draft      one incoming message, normalised, not yet filed
//	receipt    the ID of an accepted message; the ledger is the table of them
//	ticket     the case; message: one entry in it, public or internal
//	comment    a message as REST and agents see it
//	thread     the channel's own conversation key, and the address to answer to
//	externalID the identifier the other side gave
//	requester  the role a customer plays on a ticket
//	identity   one handle of a customer on a channel; account: their company
//	agent      staff; assignee: the agent who owns a ticket; team: the group it is routed to
//	rule       condition and actions, in order; route: first match picks a team
//	policy     all of it, compiled
//	SLA        a target in business time; calendar: the hours it counts;
//	           clock: one running measurement; due: an instant; breach: due passed unmet
//	filing     what one draft adds to the books, saved at once
//
// To add a noun: one file with the type, its rules and its LogValue if it holds
// a stranger's words, addresses or a secret.
package desk
