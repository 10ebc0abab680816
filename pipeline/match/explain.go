package match

import (
	"errors"
	"strings"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser/lexer"
)

// Clause is one part of a condition and what it came to, so that a ticket can
// say why a rule did or did not match.
type Clause struct {
	Source string `json:"source"`           // as written
	Joint  string `json:"joint,omitempty"`  // "and" or "or": how it joins the other clauses; "" if alone
	Match  bool   `json:"match"`            // what it came to
	Reason string `json:"reason,omitempty"` // why it could not be decided
}

// clause is a part of a program that can be run by itself.
type clause struct {
	source  string
	program *Program
}

// Explain runs every clause of the condition by itself, those too that Match
// never reached. The clauses are what the outermost and, or else the
// outermost or, joins, in the order written. Safe for concurrent use.
func (p *Program) Explain(env *Env) []Clause {
	parts := p.clauses
	if len(parts) == 0 {
		parts = []clause{{p.source, p}}
	}
	explained := make([]Clause, len(parts))
	for i, part := range parts {
		explained[i] = Clause{Source: part.source, Joint: p.joint}
		ok, err := part.program.Match(env)
		explained[i].Match = ok
		var wrong *Error
		if errors.As(err, &wrong) {
			explained[i].Reason = wrong.Message
		}
	}
	return explained
}

// split cuts a condition at its outermost joints. It returns nothing if there
// are none, or if the parts are not conditions themselves.
func split(src string) (joint string, clauses []clause) {
	tokens, err := lexer.Lex(file.NewSource(src))
	if err != nil {
		return "", nil
	}
	runes := []rune(src)
	for outerBrackets(tokens) {
		tokens = tokens[1 : len(tokens)-2]
		tokens = append(tokens[:len(tokens):len(tokens)], lexer.Token{Kind: lexer.EOF})
	}
	cuts, joint := joints(tokens)
	if len(cuts) == 0 || len(tokens) < 2 {
		return "", nil
	}
	from := tokens[0].From
	end := tokens[len(tokens)-2].To
	for _, cut := range append(cuts, lexer.Token{Location: file.Location{From: end}}) {
		source := strings.TrimSpace(string(runes[from:cut.From]))
		program, err := compile(source)
		if err != nil {
			return "", nil
		}
		clauses = append(clauses, clause{source, program})
		from = cut.To
	}
	return joint, clauses
}

// joints finds the operators to cut at: every "or" outside brackets, else
// every "and" there. An expression that is a choice (?:, if) or ends in a pipe has none.
func joints(tokens []lexer.Token) (cuts []lexer.Token, joint string) {
	depth := 0
	for _, token := range tokens {
		switch {
		case token.Is(lexer.Bracket, "(", "[", "{"):
			depth++
		case token.Is(lexer.Bracket, ")", "]", "}"):
			depth--
		case depth > 0:
		case token.Is(lexer.Operator, "?", ":", "if", ";", "let", "|"):
			return nil, ""
		case token.Is(lexer.Operator, "or", "||"):
			if joint == "and" {
				cuts = nil
			}
			cuts, joint = append(cuts, token), "or"
		case token.Is(lexer.Operator, "and", "&&") && joint != "or":
			cuts, joint = append(cuts, token), "and"
		}
	}
	return cuts, joint
}

// outerBrackets reports whether one pair of round brackets holds everything.
func outerBrackets(tokens []lexer.Token) bool {
	if len(tokens) < 4 || !tokens[0].Is(lexer.Bracket, "(") {
		return false
	}
	depth := 0
	for i, token := range tokens {
		switch {
		case token.Is(lexer.Bracket, "(", "[", "{"):
			depth++
		case token.Is(lexer.Bracket, ")", "]", "}"):
			if depth--; depth == 0 {
				return i == len(tokens)-2 // only the end follows
			}
		}
	}
	return false
}
