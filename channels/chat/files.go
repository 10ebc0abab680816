package chat

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"switchboard/pipeline/desk"
)

// fileRef is a file as a message names it: bytes in the request, an address, or
// an ID the service knows.
type fileRef struct {
	Name, Type, ContentID string
	Bytes                 []byte
	Here                  bool // Bytes are all of it
	URL, ID               string
	Damage                string
}

// fileRefs reads what the expression attachments gave: a list of files, one
// file, or an object with a file under each key. A file is an address, or an
// object with the members name, contentType, contentId and content (base64), url
// or fileId, under these or other usual names.
func fileRefs(v any) ([]fileRef, error) {
	var items []any
	switch x := v.(type) {
	case nil:
		return nil, nil
	case []any:
		items = x
	case string:
		if x == "" || x == "0" {
			return nil, nil
		}
		items = []any{x}
	case map[string]any:
		if one, ok := fileRefOf(x); ok {
			return []fileRef{one}, nil
		}
		for _, k := range slices.Sorted(maps.Keys(x)) {
			items = append(items, x[k])
		}
	default:
		return nil, fmt.Errorf("want a list of files, got %s", kindOf(v))
	}
	var out []fileRef
	for _, item := range items {
		switch x := item.(type) {
		case nil:
		case string:
			if x != "" {
				out = append(out, fileRef{URL: x})
			}
		case map[string]any:
			if one, ok := fileRefOf(x); ok {
				out = append(out, one)
			}
		default:
			return nil, fmt.Errorf("want a file, got %s", kindOf(item))
		}
	}
	return out, nil
}

func fileRefOf(m map[string]any) (fileRef, bool) {
	get := func(names ...string) string {
		s, err := words(field(m, names...))
		if err != nil {
			return ""
		}
		return s
	}
	f := fileRef{Name: get("name", "filename", "title"), ContentID: strings.Trim(get("contentid", "cid"), "<>"),
		URL: get("url", "link", "dataurl", "mediaurl", "href"), ID: get("fileid", "id")}
	for _, name := range []string{"contenttype", "mimetype", "type"} {
		if t := get(name); strings.Contains(t, "/") {
			f.Type, _, _ = strings.Cut(strings.ToLower(t), ";")
			break
		}
	}
	if b, ok := m["bytes"].([]byte); ok {
		f.Bytes, f.Here = b, true
		return f, true
	}
	content, ok := field(m, "content", "base64data", "data").(string)
	switch {
	case !ok:
	case field(m, "base64") == false:
		f.Bytes, f.Here = []byte(content), true
	default:
		f.Here = true
		var err error
		if f.Bytes, err = unbase64(content); err != nil {
			f.Damage = "its content is no base64"
		}
	}
	return f, f.Here || f.URL != "" || f.ID != ""
}

func unbase64(s string) ([]byte, error) {
	s = strings.TrimRight(strings.Map(func(r rune) rune {
		if r == ' ' || r == '\n' || r == '\r' || r == '\t' {
			return -1
		}
		return r
	}, s), "=")
	if b, err := base64.RawStdEncoding.DecodeString(s); err == nil {
		return b, nil
	}
	return base64.RawURLEncoding.DecodeString(s)
}

// collect keeps the files of a message as blobs. What cannot be had, or not
// before soon ends, is said in words; an error is of our own blobs.
func (a *adapter) collect(ctx, soon context.Context, files []fileRef) (out []desk.Attachment, damage []string, err error) {
	if len(files) == 0 {
		return nil, nil, nil
	}
	for i, f := range files {
		if i >= a.settings.Attachments.Files {
			damage = append(damage, fmt.Sprintf("only the first %d of %d files were taken", i, len(files)))
			break
		}
		if f.Damage != "" {
			damage = append(damage, fmt.Sprintf("file %d: %s", i+1, f.Damage))
			continue
		}
		var ref desk.BlobRef
		if f.Here {
			if int64(len(f.Bytes)) > a.settings.Attachments.FileBytes {
				damage = append(damage, fmt.Sprintf("file %d is larger than fileBytes", i+1))
				continue
			}
			ref, err = a.Blobs.Put(ctx, strings.NewReader(string(f.Bytes)))
		} else {
			var why error
			ref, why, err = a.fetch(ctx, soon, &f)
			if why != nil && err == nil {
				damage = append(damage, fmt.Sprintf("file %d could not be fetched: %s", i+1, desk.Clean(desk.Cut(why.Error(), 200))))
				continue
			}
		}
		if err != nil {
			return nil, nil, fmt.Errorf("chat: keep a file: %w", err)
		}
		out = append(out, desk.Attachment{Name: fileName(f.Name, f.Type), ContentType: desk.Clean(orElse(f.Type, "application/octet-stream")),
			ContentID: desk.Clean(f.ContentID), Inline: f.ContentID != "", Blob: ref})
	}
	return out, damage, nil
}

func orElse(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

// fileName is a name without folders that any disk can hold.
func fileName(name, contentType string) string {
	name = path.Base(strings.ReplaceAll(desk.FileName(name), `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`<>:"|?*`, r) {
			return '_'
		}
		return r
	}, desk.Cut(name, 200))
	if strings.Trim(name, "./ ") == "" {
		kind, _, _ := strings.Cut(contentType, "/")
		return orElse(kind, "file")
	}
	return name
}

var (
	errElsewhere = errors.New("its address is not among the hosts files may come from")
	errTooLarge  = errors.New("it is larger than fileBytes")
	errNoService = errors.New("the service's files need send.token")
)

// fetch gets a file from its address or from the service. why is the other
// side's failure, err that of our blobs.
func (a *adapter) fetch(ctx, soon context.Context, f *fileRef) (ref desk.BlobRef, why, err error) {
	resp, why := a.openFile(soon, f)
	if why != nil {
		return ref, noURL(why), nil
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return ref, fmt.Errorf("the answer was %d", resp.StatusCode), nil
	}
	limit := a.settings.Attachments.FileBytes
	if resp.ContentLength > limit {
		return ref, errTooLarge, nil
	}
	if f.Type == "" {
		f.Type, _, _ = strings.Cut(resp.Header.Get("Content-Type"), ";")
	}
	r := &capped{r: resp.Body, left: limit}
	ref, err = a.Blobs.Put(ctx, r)
	if r.err != nil {
		return desk.BlobRef{}, noURL(r.err), nil
	}
	return ref, nil, err
}

func (a *adapter) openFile(ctx context.Context, f *fileRef) (*http.Response, error) {
	if f.URL == "" {
		if a.settings.preset.media == nil || a.settings.Send.Token == "" {
			return nil, errNoService
		}
		return a.settings.preset.media(ctx, a, f)
	}
	u, err := url.Parse(f.URL)
	if err != nil || !a.settings.mayFetch(u) {
		return nil, errElsewhere
	}
	if f.Name == "" {
		f.Name = path.Base(u.Path)
	}
	return a.get(ctx, a.files, u.String(), nil)
}

func (a *adapter) get(ctx context.Context, client *http.Client, address string, auth func(*http.Request)) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errElsewhere
	}
	if auth != nil {
		auth(r)
	}
	return client.Do(r)
}

// capped fails, rather than ends, at its limit, and remembers the failure of the
// other side.
type capped struct {
	r    io.Reader
	left int64
	err  error
}

func (c *capped) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		err = errTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
		return 0, err
	}
	return n, err
}
