package webform

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A part whose name cannot be read may be a file of the sender's: it is refused,
// never left out.
func TestAPartWhoseNameCannotBeReadIsRefused(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	pairs := good(h.token("contact"), "topic", "")
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		b.WriteString("--x\r\nContent-Disposition: form-data; name=\"" + pairs[i] + "\"\r\n\r\n" + pairs[i+1] + "\r\n")
	}
	b.WriteString("--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"the \"last\" bill.txt\"\r\n\r\nwords\r\n--x--\r\n")
	h.pass(10 * time.Second)
	req := httptest.NewRequest("POST", "/forms/site/contact", strings.NewReader(b.String()))
	req.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	if code, _, _ := h.do(req); code != http.StatusBadRequest || len(h.all()) != 0 {
		t.Errorf("status %d, %d drafts", code, len(h.all()))
	}
}
