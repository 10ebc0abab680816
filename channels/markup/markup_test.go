package markup

import "testing"

func TestWaysOut(t *testing.T) {
	for _, c := range []struct{ name, md, html, plain, mrkdwn, teams string }{
		{"nothing", "", "", "", "", ""},
		{"blank", " \n\n", "", "", "", ""},
		{"line breaks", "one\ntwo\n\nthree",
			"<p>one<br>\ntwo</p>\n<p>three</p>\n", "one\ntwo\n\nthree", "one\ntwo\n\nthree",
			"<p>one<br>\ntwo</p>\n<p>three</p>\n"},
		{"marks", "**bold** *it* _it_ ~~gone~~ `a<b` ***both***",
			"<p><strong>bold</strong> <em>it</em> <em>it</em> <del>gone</del> <code>a&lt;b</code> <em><strong>both</strong></em></p>\n",
			"bold it it gone a<b both", "*bold* _it_ _it_ ~gone~ `a&lt;b` _*both*_",
			"<p><strong>bold</strong> <em>it</em> <em>it</em> <strike>gone</strike> <code>a&lt;b</code> <em><strong>both</strong></em></p>\n"},
		{"marks inside a word", "un**believ**able 2*3*4",
			"<p>un<strong>believ</strong>able 2<em>3</em>4</p>\n", "unbelievable 234", "unbelievable 234",
			"<p>un<strong>believ</strong>able 2<em>3</em>4</p>\n"},
		{"a mark over two lines", "**one\ntwo**",
			"<p><strong>one<br>\ntwo</strong></p>\n", "one\ntwo", "*one*\n*two*", "<p><strong>one<br>\ntwo</strong></p>\n"},
		{"heading", "# A **b**\n#### deep\ntext",
			"<h1>A <strong>b</strong></h1>\n<h4>deep</h4>\n<p>text</p>\n", "A b\ndeep\ntext", "*A b*\n*deep*\ntext",
			"<h1>A <strong>b</strong></h1>\n<h3>deep</h3>\n<p>text</p>\n"},
		{"list", "- a\n- b\n  1. c\n  2. d\n\n7. e",
			"<ul>\n<li>a</li>\n<li>b\n<ol>\n<li>c</li>\n<li>d</li>\n</ol>\n</li>\n</ul>\n<ol start=\"7\">\n<li>e</li>\n</ol>\n",
			"- a\n- b\n  1. c\n  2. d\n\n7. e", "• a\n• b\n    1. c\n    2. d\n\n7. e",
			"<ul>\n<li>a</li>\n<li>b\n<ol>\n<li>c</li>\n<li>d</li>\n</ol>\n</li>\n</ul>\n<ol start=\"7\">\n<li>e</li>\n</ol>\n"},
		{"tasks", "- [x] done\n- [ ] open",
			"<ul>\n<li>☑ done</li>\n<li>☐ open</li>\n</ul>\n", "- ☑ done\n- ☐ open", "• ☑ done\n• ☐ open",
			"<ul>\n<li>☑ done</li>\n<li>☐ open</li>\n</ul>\n"},
		{"quote", "> a\n> b\n\nc",
			"<blockquote>\n<p>a<br>\nb</p>\n</blockquote>\n<p>c</p>\n", "> a\n> b\n\nc", "> a\n> b\n\nc",
			"<blockquote>\n<p>a<br>\nb</p>\n</blockquote>\n<p>c</p>\n"},
		{"code", "```go\nif a < b {\n\n\tx()\n}\n```",
			"<pre><code>if a &lt; b {\n\n\tx()\n}\n</code></pre>\n", "if a < b {\n\n\tx()\n}", "```\nif a &lt; b {\n\n\tx()\n}\n```",
			"<pre><code>if a &lt; b {\n\n\tx()\n}\n</code></pre>\n"},
		{"a fence in code", "````\n```\n````",
			"<pre><code>```\n</code></pre>\n", "```", "```\n``\u200b`\n```", "<pre><code>```\n</code></pre>\n"},
		{"table", "| A | B |\n|---|--:|\n| 1 | 漢 |",
			"<table>\n<thead>\n<tr>\n<th>A</th>\n<th align=\"right\">B</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>1</td>\n<td align=\"right\">漢</td>\n</tr>\n</tbody>\n</table>\n",
			"A | B\n--+---\n1 | 漢", "```\nA | B\n--+---\n1 | 漢\n```", "<pre>A | B\n--+---\n1 | 漢</pre>\n"},
		{"link", "[the page](https://x.example/?a=1&b=2)",
			"<p><a href=\"https://x.example/?a=1&amp;b=2\">the page</a></p>\n",
			"the page <https://x.example/?a=1&b=2>", "<https://x.example/?a=1&amp;b=2|the page>",
			"<p><a href=\"https://x.example/?a=1&amp;b=2\">the page</a></p>\n"},
		{"bare links", "see https://x.example/a_b, or ada@x.example.",
			"<p>see <a href=\"https://x.example/a_b\">https://x.example/a_b</a>, or <a href=\"mailto:ada@x.example\">ada@x.example</a>.</p>\n",
			"see https://x.example/a_b, or ada@x.example.", "see <https://x.example/a_b>, or <mailto:ada@x.example|ada@x.example>.",
			"<p>see <a href=\"https://x.example/a_b\">https://x.example/a_b</a>, or <a href=\"mailto:ada@x.example\">ada@x.example</a>.</p>\n"},
		{"a link that is not safe", "[click](javascript:alert(1)) [here](data:text/html,x) [there](/etc)",
			"<p>click here there</p>\n", "click here there", "click here there", "<p>click here there</p>\n"},
		{"image", "![a cat](https://x.example/cat.png) ![inner](cid:abc) ![bad](javascript:x)",
			"<p><img src=\"https://x.example/cat.png\" alt=\"a cat\"> <img src=\"cid:abc\" alt=\"inner\"> bad</p>\n",
			"a cat <https://x.example/cat.png> inner bad", "<https://x.example/cat.png|a cat> inner bad",
			"<p><img src=\"https://x.example/cat.png\" alt=\"a cat\"> inner bad</p>\n"},
		{"html is text", "a <b>b</b> <script>alert(1)</script>\n\n<div onclick=x>List<String></div>",
			"<p>a &lt;b&gt;b&lt;/b&gt; &lt;script&gt;alert(1)&lt;/script&gt;</p>\n<p>&lt;div onclick=x&gt;List&lt;String&gt;&lt;/div&gt;</p>\n",
			"a <b>b</b> <script>alert(1)</script>\n\n<div onclick=x>List<String></div>",
			"a &lt;b&gt;b&lt;/b&gt; &lt;script&gt;alert(1)&lt;/script&gt;\n\n&lt;div onclick=x&gt;List&lt;String&gt;&lt;/div&gt;",
			"<p>a &lt;b&gt;b&lt;/b&gt; &lt;script&gt;alert(1)&lt;/script&gt;</p>\n<p>&lt;div onclick=x&gt;List&lt;String&gt;&lt;/div&gt;</p>\n"},
		{"no mention by hand", "<!channel> <@U1> & co", "<p>&lt;!channel&gt; &lt;@U1&gt; &amp; co</p>\n",
			"<!channel> <@U1> & co", "&lt;!channel&gt; &lt;@U1&gt; &amp; co", "<p>&lt;!channel&gt; &lt;@U1&gt; &amp; co</p>\n"},
		{"escapes", `\*no\* &amp; \&amp; C:\dir snake_case_name`, "<p>*no* &amp; &amp;amp; C:\\dir snake_case_name</p>\n",
			`*no* & &amp; C:\dir snake_case_name`, `*no* &amp; &amp;amp; C:\dir snake_case_name`,
			"<p>*no* &amp; &amp;amp; C:\\dir snake_case_name</p>\n"},
		{"a signature is no heading or table", "Regards\n-- \nAda\n---\nx", "<p>Regards<br>\n--<br>\nAda</p>\n<hr>\n<p>x</p>\n",
			"Regards\n--\nAda\n---\nx", "Regards\n--\nAda\n---\nx", "<p>Regards<br>\n--<br>\nAda</p>\n<hr>\n<p>x</p>\n"},
		{"no definition vanishes", "[1]: see below", "<p>[1]: see below</p>\n", "[1]: see below", "[1]: see below", "<p>[1]: see below</p>\n"},
		{"bytes that are no text", "a\xffb\x00c\r\nd", "<p>a\uFFFDbc<br>\nd</p>\n", "a\uFFFDbc\nd", "a\uFFFDbc\nd", "<p>a\uFFFDbc<br>\nd</p>\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, way := range []struct{ name, got, want string }{
				{"html", ToHTML(c.md), c.html}, {"plain", ToPlain(c.md), c.plain},
				{"mrkdwn", ToMrkdwn(c.md), c.mrkdwn}, {"teams", ToTeams(c.md), c.teams},
			} {
				if way.got != way.want {
					t.Errorf("%s of %q\n got %q\nwant %q", way.name, c.md, way.got, way.want)
				}
			}
		})
	}
}

func TestFromMrkdwn(t *testing.T) {
	names := func(id string) string {
		return map[string]string{"U1": "Ada Okafor", "C1": "general", "U9": "*x* [y](javascript:z)\n# h"}[id]
	}
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"marks", "*bold* _it_ ~gone~ `code *x*` *_both_*", "**bold** _it_ ~~gone~~ `code *x*` **_both_**"},
		{"not marks", "2 * 3 * 4 a*b*c snake_case_name *open ~5", `2 * 3 * 4 a\*b\*c snake_case_name \*open ~5`},
		{"marks end with the line", "*a\nb*", "\\*a\nb\\*"},
		{"person", "<@U1> <@U2> <@U2|bo>", "@Ada Okafor @U2 @bo"},
		{"a hostile name", "<@U9>", `@\*x\* \[y\](javascript:z) # h`},
		{"channel", "<#C1> <#C2|random> <#C3>", "#general #random #C3"},
		{"everybody", "<!here> <!channel> <!everyone> <!subteam^S1> <!subteam^S1|@ops>", "@here @channel @everyone @S1 @ops"},
		{"date", "<!date^1392734382^{date}|Feb 18>", "Feb 18"},
		{"addresses", "<https://x.example/a?b=1&amp;c=2> <https://x.example|the page> <mailto:a@x.example|a@x.example> <tel:+491|+491>",
			"https://x.example/a?b=1&c=2 [the page](<https://x.example>) a@x.example +491"},
		{"an address Markdown would cut", "<https://x.example/(a)*>", "<https://x.example/(a)*>"},
		{"unsafe address", "<javascript:alert(1)|click> <slack://x|open>", "click open"},
		{"entities once", "&lt;b&gt; &amp;amp; AT&amp;T", `<b> \&amp; AT&T`},
		{"block", "before ```a &lt; b\n  <https://x.example|x.example>``` after", "before \n```\na < b\n  x.example\n```\n after"},
		{"an open fence is text", "a ``` b", "a \\`\\`\\` b"},
		{"quote", "&gt; a\n&gt; b\nc", "> a\n> b\n\nc"},
		{"quote to the end", "x\n&gt;&gt;&gt; a\nb", "x\n> a\n> b"},
		{"list", "• a\n    ◦ b\nc", "- a\n    - b\n\nc"},
		{"no heading", "# five", `\# five`},
		{"lonely signs", "a < b > c <> <|x>", "a < b > c <> x"},
	} {
		if got := FromMrkdwn(c.in, names); got != c.want {
			t.Errorf("%s: %q\n got %q\nwant %q", c.name, c.in, got, c.want)
		}
	}
}

func TestFromHTML(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"text", "a &lt;b&gt; &amp; c", "a <b> & c"},
		{"teams message", "<p>Hello <strong>Ada</strong></p>\n<p>it is <em>down</em>&nbsp;<s>again</s></p>", "Hello **Ada**\n\nit is _down_\u00A0~~again~~"},
		{"divs are lines", "<div>one</div><div>two</div>", "one\n\ntwo"},
		{"line break", "one<br>two", "one\ntwo"},
		{"list", "<ul><li>a</li><li>b<ol><li>c</li></ol></li></ul>", "- a\n- b\n\n  1. c"},
		{"link", `<a href="https://x.example/?a=1&amp;b=2">the page</a> <a href="https://x.example/a_b">https://x.example/a_b</a>`,
			"[the page](https://x.example/?a=1&b=2) https://x.example/a_b"},
		{"unsafe link", `<a href="javascript:alert(1)">click</a> <a href="/x">there</a>`, "click there"},
		{"emoji", `<emoji id="smile" alt="🙂" title="Smile"></emoji> <img itemtype="http://schema.skype.com/Emoji" src="https://statics.example/x.png" alt="😀">`, "🙂 😀"},
		{"mention", `<at id="0">Desk</at> help`, "Desk help"},
		{"script", `<script>alert(1)</script><style>x</style><p onclick="x">hi</p>`, "hi"},
		{"code", "<pre><code>a *b*\n  c &lt; d</code></pre><p>x <code>*y*</code></p>", "```\na *b*\n  c < d\n```\n\nx `*y*`"},
		{"signs in code", "<pre>&amp;lt;b&amp;gt; &amp;amp;&amp;amp; &lt;i&gt; &amp;</pre><p><code>a &amp;lt; b</code></p>", "```\n&lt;b&gt; &amp;&amp; <i> &\n```\n\n`a &lt; b`"},
		{"stars are text", "<p>*not bold* snake_case 2 * 3 &amp;lt; AT&amp;T</p><p># five</p>", `\*not bold\* snake_case 2 * 3 \&lt; AT&T` + "\n\n" + `\# five`},
		{"table", "<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>", "| A | B |\n|---|---|\n| 1 | 2 |"},
		{"quote", "<blockquote><p>a</p></blockquote><p>b</p>", "> a\n\nb"},
	} {
		if got := FromHTML(c.in); got != c.want {
			t.Errorf("%s: %q\n got %q\nwant %q", c.name, c.in, got, c.want)
		}
	}
}
