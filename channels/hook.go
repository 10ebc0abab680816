package channels

import "net/http"

// Hook is an adapter that is called over HTTP: webhooks, forms. The web role
// opens it and mounts its routes; Run is called beside it and may just wait for
// ctx.
//
// A handler checks the signature on the raw bytes before it parses anything,
// fails closed, and answers 2xx only after Sink.Submit returned. It answers 503
// with Retry-After when Submit says desk.ErrBusy or desk.ErrUnavailable, and when
// reading the body does: there is no room for more of it, and nothing was taken.
// What can be refused without the body is refused before it is read.
type Hook interface {
	Adapter
	Routes() []Route
}

// Route is one way in over HTTP.
type Route struct {
	// Pattern is a net/http ServeMux pattern with method and absolute path:
	// "POST /hooks/slack/acme/events". The path begins with /hooks/KIND/SOURCE/,
	// or with a prefix the kind documents, such as /forms/.
	Pattern string
	Handler http.Handler
}
