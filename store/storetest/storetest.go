// Package storetest says what a store must do, as tests that run alike on every
// database.
//
// In goes a function that opens an empty, migrated store; out comes a passing or
// failing test. It knows the store's public methods only. Tests only.
//
// To add a promise: one function in the file of its idea, one line in [Run].
package storetest

import (
	"testing"

	"switchboard/store"
)

// Run holds a store to its promises. open returns an empty, migrated store that
// ends with the test; it is called once for each promise.
func Run(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, chapter := range []struct {
		name     string
		promises []promise
	}{
		{"accepted means kept", []promise{
			{"receipts come back as they were accepted", receiptsComeBack},
			{"what is known of a receipt without the ledger is what it gives back", recordedIsReadBack},
			{"the same message is accepted once, in one call", sameMessageInOneCall},
			{"the same message is accepted once, from many at once", sameMessageFromMany},
			{"a reused ID with other content is another message", reusedID},
			{"an external ID of any length is accepted", longExternalID},
			{"the newest receipt of an external ID is found", newestReceipt},
			{"what a draft brings along is kept with its receipt, once", keptOnce},
			{"what drafts bring along does not deadlock", keptRace},
			{"words that stand in the raw request come back", wordsOnce},
		}},
		{"one process reads a mailbox", []promise{
			{"all go by one clock", oneClock},
			{"a lease has one holder until it ends", leaseHasOneHolder},
			{"of many that want a lease one gets it", leaseRace},
			{"the cursor moves with the receipts or not at all", cursorMovesWithReceipts},
			{"a lost lease is refused and writes nothing", lostLease},
			{"who lost the lease writes nothing after it was taken", fencedForGood},
			{"a cursor moves forward only, unless UIDVALIDITY changed", cursorMovesForward},
		}},
		{"no receipt is forgotten", []promise{
			{"stale receipts are claimed once, oldest first", staleOnce},
			{"stale receipts go to one of many sweepers", staleRace},
			{"what waits, source by source", waiting},
			{"attempts are counted before they are made", attempts},
			{"trouble counts up to failed", troubleCounts},
			{"a receipt that failed can be opened again", reopened},
			{"what waits for a person can be dismissed", dismissed},
			{"receipts are listed, counted and aged", receiptBooks},
		}},
		{"canaries come home", []promise{
			{"of many one sends a source's canary", canaryTurns},
			{"the youngest canary counts", canariesHeard},
			{"a clock that was ahead stops no canaries and hides none that are missing", canariesAhead},
			{"what ended as a canary leaves the ledger", canariesForgotten},
		}},
		{"a group is filed at once", []promise{
			{"new tickets and replies are saved whole", filedWhole},
			{"a settled receipt is not filed again", settledOnce},
			{"ended receipts keep reason and trail", endedReceipts},
			{"the filings themselves are not changed", filingsUntouched},
			{"one that fails alone leaves no trace", failsAlone},
			{"a nonsensical filing fails alone, for good", nonsense},
			{"two messages of one ticket join in order", twoIntoOne},
			{"a conversation of a group opens one ticket", oneTicketInGroup},
			{"a message is on one ticket once", messageOnce},
			{"a deleted or merged ticket is not joined", goneTickets},
			{"the keys of a deleted ticket are free", keysOfDeleted},
			{"a finished ticket gives its keys to the next", keysOfFinished},
			{"answers go to the latest thread", latestThread},
			{"numbers count up", numbersCountUp},
		}},
		{"many file at once", []promise{
			{"one conversation from two at once is one ticket", threadRace},
			{"one message from two sources at once is one entry", messageRace},
			{"one receipt filed by many at once is filed once", receiptRace},
			{"overlapping groups end without deadlock, each message once", overlappingGroups},
			{"groups in opposite order do not deadlock", oppositeOrders},
			{"the ledger in opposite order does not deadlock", oppositeLedgers},
			{"round robin is exactly fair", roundRobin},
			{"a ticket's events have no gap", eventsHaveNoGap},
		}},
		{"a person has one record", []promise{
			{"a new customer is found by each handle", customerByHandle},
			{"two of a group with one handle share a customer", sharedInGroup},
			{"many with one handle at once share a customer", customerRace},
			{"an external ID names one customer", customerExternalID},
			{"who is named by another ID is somebody else", customerOfAnotherID},
			{"a mail domain names one company", oneCompany},
			{"records are changed and ensured", customersByHand},
			{"a team is known after its first use", teamFirstUse},
			{"a record is completed, never overwritten", recordCompleted},
			{"a record is changed by one at a time", customerChanged},
			{"two records of one person become one", customersMerged},
			{"records merged into each other at once lose nothing", mergeRace},
			{"handles and their tickets go to a new record", customersSplit},
			{"a split gives back the names from before the merge", splitNames},
		}},
		{"messages in a row are one case", []promise{
			{"a group goes on with its latest ticket", groupsGoOn},
			{"a group of one filing opens one ticket", groupInOneFiling},
			{"a group from many at once opens one ticket", groupRace},
		}},
		{"words are taken back", []promise{
			{"an author edits, deletes and restores", editedByAuthor},
			{"the last word stands in whatever order they come", revisedOutOfOrder},
			{"an edit may bring files", editBringsFiles},
			{"an edit that fails alone leaves no trace", editsThatFail},
			{"of edits at once the latest stands and all are kept", editRace},
			{"ours are changed before or after they went", oursRevised},
		}},
		{"the line sees what is there", []promise{
			{"earlier receipts are seen in every state", seenInEveryState},
			{"a conversation keeps its order", ahead},
			{"threads, tickets and people are found, asked ahead or not", viewFinds},
			{"what the line changes is its own", ownCopies},
		}},
		{"the desk keeps its tickets", []promise{
			{"a ticket comes back as it was", ticketComesBack},
			{"tickets are found by every filter", ticketFilters},
			{"pages are stable while tickets come in", stablePages},
			{"a cursor that is not ours is refused", foreignCursor},
			{"a change is saved with its events", changes},
			{"a change of another version is refused", versions},
			{"of many changes none is lost", changeRace},
			{"due clocks are found until marked", dueClocks},
		}},
		{"words are kept once", []promise{
			{"a ticket is described by the message that opened it", describedByMessage},
			{"what does not change the words leaves them", describedStays},
			{"a message is revised and the ticket follows", describedRevised},
			{"a message of ours describes a ticket too", describedByOurs},
		}},
		{"the desk keeps what was said", []promise{
			{"a comment and its ticket are saved at once", comments},
			{"a comment that is there is returned", sameComment},
			{"one comment from many at once is one comment", commentRace},
			{"messages come in pages, oldest first", messagePages},
			{"text comes back as it was, any script, any length", textComesBack},
			{"times come back equal, in UTC", timesComeBack},
		}},
		{"an answer is sent once", []promise{
			{"a queued answer is taken, sent and threads", answerSent},
			{"of many that take an answer one gets it", answerRace},
			{"a cut off answer is probed", answerProbed},
			{"an answer that fails says so on the ticket", answerFails},
			{"an internal note is never sent", noteNeverSent},
			{"an answer that failed can be sent again", answerResent},
			{"an answer that ended is looked at no more, revised or not", answerEnded},
			{"an answer that had arrived, failed and was revised since is told of", failedRevised},
			{"answers of one ticket go out in order", answersInOrder},
			{"an answer waits for its next try", answerPostponed},
			{"what a dead holder was sending is unknown at once", answerAbandoned},
			{"who was taken for dead neither doubles nor overwrites", answerFenced},
			{"tries that told no end are counted", answerBegun},
			{"automatic answers are counted and know whom they answer", automaticAnswers},
			{"of automatic answers at once each knows of those before it", automaticAtOnce},
			{"a message begins a conversation, which becomes the ticket's", conversationBegun},
			{"whom a source can write to is remembered", contactsKept},
		}},
		{"tickets are tied together", []promise{
			{"a link is there once, with events on both tickets", links},
			{"parents make no circle", noCircles},
			{"of links that would make a circle at once one fails", circleRace},
		}},
		{"the house feels its pulse", []promise{
			{"what waits is counted by state", pulse},
		}},
		{"the house keeps its keys", []promise{
			{"a key lives until it is revoked", keyLife},
			{"a setting is made once by many at once", settingRace},
		}},
	} {
		t.Run(chapter.name, func(t *testing.T) {
			for _, p := range chapter.promises {
				t.Run(p.name, func(t *testing.T) { p.test(newHouse(t, open(t))) })
			}
		})
	}
}

// promise is something a store does.
type promise struct {
	name string
	test func(*house)
}
