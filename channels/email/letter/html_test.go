package letter

import "testing"

func TestMarkdown(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"lines of divs", `Hi Bob,<div>second line</div><div><div>third</div></div><div><br></div><div>fifth</div>`, "Hi Bob,\nsecond line\nthird\n\nfifth"},
		{"paragraphs", `<p>one<br>two</p><p>three</p>`, "one\ntwo\n\nthree"},
		{"layout table", `<table><tr><td>Name:</td><td>Alice</td></tr><tr><td><p>Order</p></td><td><b>123</b></td></tr></table>after`, "Name: Alice\n\nOrder\n\n**123**\n\nafter"},
		{"quote", `<div>Yes.</div><blockquote type="cite"><div>On Monday Bob wrote:</div><div>quoted</div></blockquote>`, "Yes.\n\n> On Monday Bob wrote:\n> quoted"},
		{"bare links", `<a href="https://example.org/">https://example.org</a> <a href="mailto:x@example.org">x@example.org</a> <a href="https://example.org/doc">the manual</a>`, "https://example.org x@example.org [the manual](https://example.org/doc)"},
		{"images", `<p>a<img src="https://track.example.org/1.gif" width=1>b <img src="cid:x" alt="our logo"></p>`, "ab our logo"},
		{"nothing is escaped", `<p>a_b * c # d 1. e &lt;f&gt;</p>`, "a_b * c # d 1. e <f>"},
		{"what runs is gone", `<p>a</p><script>alert(1)</script><style>p{}</style><a href="javascript:x()">b</a>`, "a\n\nb"},
		{"lists", `<ul><li>one</li><li>two<ol><li>three</li></ol></li></ul>`, "- one\n- two\n\n  1. three"},
		{"code", "<pre>a\n  b</pre>", "```\na\n  b\n```"},
		{"unclosed", `<p>one<p>two<b>bold`, "one\n\ntwo**bold**"},
	} {
		w := &reader{letter: &Letter{}}
		if got := w.markdown(tc.in); got != tc.want {
			t.Errorf("%s:\ngot  %q\nwant %q", tc.name, got, tc.want)
		}
	}
}
