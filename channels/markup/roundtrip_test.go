package markup

import (
	"fmt"
	"html"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// document draws Markdown of everything that all notations know.
func document(t *rapid.T) string {
	word := rapid.StringMatching(`[A-Za-zäöüß漢字кот&<>'"(){}=?;]{1,8}[a-z]`)
	plain := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(word, 1, 4).Draw(t, "words"), " ")
	})
	span := rapid.Custom(func(t *rapid.T) string {
		words := plain.Draw(t, "span")
		switch rapid.IntRange(0, 7).Draw(t, "mark") {
		case 0:
			return "**" + letters(words) + "**"
		case 1:
			return "_" + letters(words) + "_"
		case 2:
			return "~~" + letters(words) + "~~"
		case 3:
			return "`" + words + "`"
		case 4:
			return "[" + letters(words) + "](https://x.example/?a=1&b=" + fmt.Sprint(len(words)) + ")"
		}
		return words
	})
	line := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(span, 1, 4).Draw(t, "spans"), " ")
	})
	block := rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 6).Draw(t, "block") {
		case 0:
			return "- " + strings.Join(rapid.SliceOfN(line, 1, 3).Draw(t, "items"), "\n- ")
		case 1:
			var out []string
			for i, item := range rapid.SliceOfN(line, 1, 3).Draw(t, "items") {
				out = append(out, fmt.Sprintf("%d. %s", i+1, item))
			}
			return strings.Join(out, "\n")
		case 2:
			return "> " + strings.Join(rapid.SliceOfN(line, 1, 3).Draw(t, "quoted"), "\n> ")
		case 3:
			return "```\n" + strings.Join(rapid.SliceOfN(plain, 1, 3).Draw(t, "code"), "\n  ") + "\n```"
		}
		return strings.Join(rapid.SliceOfN(line, 1, 3).Draw(t, "lines"), "\n")
	})
	var out []string
	last := ""
	for _, b := range rapid.SliceOfN(block, 1, 5).Draw(t, "blocks") {
		if listItem.MatchString(b) && listItem.MatchString(last) {
			continue // two lists side by side are one
		}
		last = b
		out = append(out, b)
	}
	return strings.Join(out, "\n\n")
}

// letters keeps what may stand beside a marker.
func letters(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return !isWord(r) }), " ")
}

func TestRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		md := document(t)
		shown := ToHTML(md)
		if slack := ToMrkdwn(md); ToHTML(FromMrkdwn(slack, nil)) != shown {
			t.Fatalf("mrkdwn: %q\n   by %q\n got %q", md, slack, FromMrkdwn(slack, nil))
		}
		if back := FromHTML(shown); ToHTML(back) != shown {
			t.Fatalf("html: %q\n   by %q\n got %q", md, shown, back)
		}
		if teams := ToTeams(md); ToHTML(FromHTML(teams)) != shown {
			t.Fatalf("teams: %q\n   by %q\n got %q", md, teams, FromHTML(teams))
		}
	})
}

// What stood as text stands as text, whatever signs it has.
func TestTextStaysText(t *testing.T) {
	signs := rapid.StringMatching("[a-c*_~`&;lt<>\\\\# .\\[\\]()!|:/é漢-]{0,30}z")
	rapid.Check(t, func(t *rapid.T) {
		s := "a " + oneLine(signs.Draw(t, "text"))
		if strings.Contains(s, "](") || strings.Contains(s, "<") && strings.Contains(s, ":") || strings.Contains(s, "://") {
			t.Skip("reads as a link, which it may")
		}
		if got := ToPlain(FromHTML("<p>" + html.EscapeString(s) + "</p>")); got != s {
			t.Fatalf("html %q shows %q by %q", s, got, FromHTML("<p>"+html.EscapeString(s)+"</p>"))
		}
		if strings.ContainsAny(s, "*_~`") {
			return // Slack has markers of its own
		}
		if got := ToPlain(FromMrkdwn(slackEscape(s), nil)); got != s {
			t.Fatalf("mrkdwn %q shows %q by %q", s, got, FromMrkdwn(slackEscape(s), nil))
		}
		if got := ToPlain(FromMrkdwn("<@U1>", func(string) string { return s })); got != "@"+s {
			t.Fatalf("the name %q shows %q", s, got)
		}
	})
}

func TestSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[aä漢 \n]{0,200}`).Draw(t, "text")
		limit := rapid.IntRange(0, 100).Draw(t, "limit")
		if short := Shorten(s, limit); len(short) > limit || len(s) <= limit && short != s {
			t.Fatalf("Shorten(%q, %d) = %q", s, limit, short)
		}
		var all string
		for _, piece := range Split(s, limit) {
			if len(piece) > max(limit, 4) || piece == "" {
				t.Fatalf("Split(%q, %d): piece %q", s, limit, piece)
			}
			sound(&testing.T{}, "Split", piece, false)
			all += piece
		}
		if len(s) > max(limit, 4) && strings.Join(strings.Fields(all), "") != strings.Join(strings.Fields(s), "") {
			t.Fatalf("Split(%q, %d) lost something: %q", s, limit, all)
		}
	})
}
