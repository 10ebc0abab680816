package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// The sample ticket and comment of the API's documentation.
const (
	sampleTicket = `{"title":"Unable to access account","description":"Customer reported login issues on mobile app",` +
		`"type":"INCIDENT","priority":"HIGH","status":"NEW","source":"EMAIL","customerId":"cust-123","teamId":"team-456",` +
		`"tags":["mobile-app","login"],"customFields":{"impactedSystem":"Mobile Authentication","deviceType":"iOS","appVersion":"2.1.0"}}`
	sampleComment = `{"content":"Investigating the login issue...","isPublic":true,"mentions":["user-789"]}`
)

// demoCalls creates a ticket over the API and comments on it.
func demoCalls(ctx context.Context, url, key string) error {
	var ticket struct {
		UID string `json:"uid"`
	}
	if err := call(ctx, url+"/v1/tickets", key, sampleTicket, &ticket); err != nil {
		return err
	}
	return call(ctx, url+"/v1/tickets/"+ticket.UID+"/comments", key, sampleComment, nil)
}

// call posts JSON and decodes the answer; anything but a 201 is an error.
func call(ctx context.Context, url, key, body string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("demo: POST %s: %s: %s", req.URL.Path, resp.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}
