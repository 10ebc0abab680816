//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// trialCall is one ticket made by the API. It is sent twice under one
// Idempotency-Key.
type trialCall struct {
	key    string
	body   []byte
	title  string
	atOnce bool // both at the same time, else one after the other

	mu      sync.Mutex
	answers []trialAnswer
	tries   int
}

// trialAnswer is a yes: the ticket, or a receipt for one.
type trialAnswer struct {
	status  int
	ticket  string
	receipt string
}

// trialCalls makes n calls from few customers, so that some bring the same new
// customer at the same time.
func trialCalls(random *rand.Rand, n int) []*trialCall {
	calls := make([]*trialCall, n)
	for i := range calls {
		c := &trialCall{key: fmt.Sprintf("call-%d-%d", i, random.Uint64()), title: fmt.Sprintf("Call %d", i), atOnce: i%2 == 0}
		body := map[string]any{"title": c.title, "description": fmt.Sprintf("Made by call %d.", i), "tags": []string{"trial"}}
		if i%3 == 0 {
			body["customerId"] = fmt.Sprintf("cust-%d", random.IntN(10))
		} else {
			body["requester"] = map[string]string{"email": fmt.Sprintf("caller%d@calls.example", random.IntN(10))}
		}
		var err error
		if c.body, err = json.Marshal(body); err != nil {
			panic(err) // maps of strings always marshal
		}
		calls[i] = c
	}
	return calls
}

// callAll makes every call twice, four calls at a time, and returns when all
// were answered or the trial is over.
func (tr *trial) callAll(calls []*trialCall) {
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	queue := make(chan *trialCall)
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for c := range queue {
				tr.called.Add(1)
				if c.atOnce {
					var both sync.WaitGroup
					both.Go(func() { tr.call(client, c) })
					both.Go(func() { tr.call(client, c) })
					both.Wait()
				} else {
					tr.call(client, c)
					tr.call(client, c)
				}
			}
		})
	}
	for _, c := range calls {
		queue <- c
	}
	close(queue)
	callers.Wait()
}

// call sends until it gets an answer, always under the same key.
func (tr *trial) call(client *http.Client, c *trialCall) {
	for tr.ctx.Err() == nil {
		c.mu.Lock()
		c.tries++
		c.mu.Unlock()
		answer, err := tr.callOnce(client, c)
		if err == nil {
			c.mu.Lock()
			c.answers = append(c.answers, answer)
			c.mu.Unlock()
			return
		}
		if !errors.Is(err, errAgain) {
			tr.t.Errorf("%s: %v", c.title, err)
			return
		}
		select { // the door is closed: knock again in a moment, as clients do
		case <-time.After(50 * time.Millisecond):
		case <-tr.ctx.Done():
		}
	}
}

// errAgain is an answer, or none, after which a client tries again.
var errAgain = errors.New("try again")

func (tr *trial) callOnce(client *http.Client, c *trialCall) (trialAnswer, error) {
	req, err := http.NewRequestWithContext(tr.ctx, http.MethodPost, tr.url+"/v1/tickets", bytes.NewReader(c.body))
	if err != nil {
		return trialAnswer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+tr.key)
	req.Header.Set("Idempotency-Key", c.key)
	resp, err := client.Do(req)
	if err != nil {
		return trialAnswer{}, fmt.Errorf("%w: %w", errAgain, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return trialAnswer{}, fmt.Errorf("%w: %w", errAgain, err)
	}
	var body struct{ UID, Receipt string }
	switch resp.StatusCode {
	case http.StatusCreated, http.StatusAccepted:
		if err := json.Unmarshal(text, &body); err != nil {
			return trialAnswer{}, fmt.Errorf("%d with %q: %w", resp.StatusCode, text, err)
		}
		if (resp.StatusCode == http.StatusCreated && body.UID == "") || (resp.StatusCode == http.StatusAccepted && body.Receipt == "") {
			return trialAnswer{}, fmt.Errorf("%d without an ID: %s", resp.StatusCode, text)
		}
		return trialAnswer{resp.StatusCode, body.UID, body.Receipt}, nil
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return trialAnswer{}, fmt.Errorf("%w: %d", errAgain, resp.StatusCode)
	}
	return trialAnswer{}, fmt.Errorf("%d %s", resp.StatusCode, text)
}

// answered counts the calls' answers by status.
func (tr *trial) answered() (created, accepted, tries int) {
	for _, c := range tr.calls {
		c.mu.Lock()
		for _, a := range c.answers {
			if a.status == http.StatusCreated {
				created++
			} else {
				accepted++
			}
		}
		tries += c.tries
		c.mu.Unlock()
	}
	return created, accepted, tries
}
