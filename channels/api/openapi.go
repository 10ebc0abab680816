package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"switchboard/pipeline/desk"
)

const about = `Switchboard takes in what customers send, over every channel, and keeps it as tickets.

**Keys.** Send the API key as ` + "`Authorization: Bearer sb_...`" + ` or ` + "`x-api-key`" + `. Its role decides what it may do.

**Lists** are ` + "`{\"items\": [...], \"nextCursor\": \"...\"}`" + `; nextCursor is null on the last page.

**Errors** are application/problem+json (RFC 9457); ` + "`errors`" + ` names every wrong field. Values are never repeated.

**Enumerations** are read in any case and written in UPPER_SNAKE. Times are RFC 3339 in UTC.

**Repeating.** A create, comment or new status with an ` + "`Idempotency-Key`" + ` takes effect once, however often it is sent.

**Limits.** 429 and 503 carry Retry-After.`

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// description is the document without its operations.
func (s *server) description() *huma.OpenAPI {
	namer := func(t reflect.Type, hint string) string {
		return strings.TrimSuffix(huma.DefaultSchemaNamer(t, hint), "View")
	}
	d := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    &huma.Info{Title: "Switchboard", Version: s.Version, Description: about},
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry("#/components/schemas/", namer),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"bearer": {Type: "http", Scheme: "bearer", Description: "Authorization: Bearer sb_..."},
				"apiKey": {Type: "apiKey", In: "header", Name: "x-api-key", Description: "The same key."},
			},
		},
		Security: []map[string][]string{{"bearer": {}}, {"apiKey": {}}},
		Tags: []*huma.Tag{{Name: "tickets", Description: "The cases."}, {Name: "comments", Description: "What was said on them."},
			{Name: "customers", Description: "Who asks."}, {Name: "links", Description: "How they stand to each other."}, {Name: "intake", Description: "What became of a message."},
			{Name: "health", Description: "For the machines around us."}},
	}
	if s.Version == "" {
		d.Info.Version = "dev"
	}
	server := strings.TrimRight(s.PublicURL, "/")
	if server == "" {
		server = "/"
	}
	d.Servers = []*huma.Server{{URL: server}}
	return d
}

// refusals are the problems an operation may answer with, besides the ones of
// every operation.
var refusals = map[string][]int{
	http.MethodGet:    {401, 403, 404, 422, 429},
	http.MethodPost:   {400, 401, 403, 404, 409, 413, 415, 422, 429, 503},
	http.MethodPatch:  {400, 401, 403, 404, 409, 413, 415, 422, 429},
	http.MethodDelete: {401, 403, 404, 409, 422, 429},
}

// describe completes an operation: the permission it needs, the limits the
// library must not apply (they are ours: see readBody), and its problems.
func (s *server) describe(op *huma.Operation, may desk.Permission) {
	op.Metadata = map[string]any{mayKey: may}
	op.MaxBodyBytes, op.BodyReadTimeout = -1, -1
	op.Description = strings.TrimSpace(op.Description + "\n\nNeeds the permission `" + string(may) + "`.")
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	for _, code := range refusals[op.Method] {
		op.Responses[strconv.Itoa(code)] = s.refusal(http.StatusText(code))
	}
	op.Responses["default"] = s.refusal("Any other problem.")
}

// refusal describes an answer that is a problem.
func (s *server) refusal(doc string) *huma.Response {
	return &huma.Response{Description: doc,
		Content: map[string]*huma.MediaType{problemType: {Schema: s.api.OpenAPI().Components.Schemas.Schema(typeOf[Problem](), true, "")}}}
}

// example gives an operation the example of its body.
func example(v any) *huma.RequestBody {
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Example: v}}}
}

var sampleCreate = map[string]any{
	"title": "Unable to access account", "description": "Customer reported login issues on mobile app",
	"type": "INCIDENT", "priority": "HIGH", "status": "NEW", "source": "EMAIL", "customerId": "cust-123", "teamId": "team-456",
	"tags":         []string{"mobile-app", "login"},
	"customFields": map[string]any{"impactedSystem": "Mobile Authentication", "deviceType": "iOS", "appVersion": "2.1.0"},
}

// serveOpenAPI answers GET /openapi.json with the document as it is now.
func (s *server) serveOpenAPI(mux *http.ServeMux) error {
	schemas := s.api.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel") // the library's; no answer of ours has it
	delete(schemas, "ErrorDetail")
	doc, err := json.Marshal(s.api.OpenAPI())
	if err != nil {
		return err
	}
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Write(doc)
	})
	return nil
}
