package policy

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Error is a problem of a document with its position. Text is pktvisor's, if pktvisor has one.
type Error struct {
	Text         string
	Line, Column int    // from 1; 0 without a position
	Nearest      string // the valid name most similar to the invalid one, if any
}

// Error returns the text, the position, and the nearest name.
func (e *Error) Error() string {
	s := e.Text
	if e.Line > 0 {
		s += fmt.Sprintf(" (line %d, column %d)", e.Line, e.Column)
	}
	if e.Nearest != "" {
		s += fmt.Sprintf("; did you mean '%s'?", e.Nearest)
	}
	return s
}

// maxNodes bounds the expansion of aliases: a few lines could hold billions of nodes, or contain
// themselves.
const maxNodes = 100_000

// maxDepth is the maximum nesting of tables; device_map has three levels.
const maxDepth = 16

// maxProblems bounds the errors, and the warnings, about one document.
const maxProblems = 100

// parser walks the nodes of a document. It continues after an error and keeps all.
type parser struct {
	types    Catalog
	budget   int
	depth    int // depth of tables
	errors   Errors
	faults   Errors // faults of the current policy, which keep it from starting
	earlier  Errors // faults of the policies before it
	warnings Errors
}

// err returns the errors of the document, or nil. The faults of its policies follow: all problems
// can be mended at once.
func (p *parser) err() error {
	if len(p.errors) > 0 {
		for _, fault := range p.earlier {
			p.errors.add(fault)
		}
	}
	return p.errors.orNil()
}

// fail records a problem of node.
func (p *parser) fail(node *yaml.Node, format string, args ...any) {
	p.failAt(node, nil, format, args...)
}

// failAt is fail with the list of valid names.
func (p *parser) failAt(node *yaml.Node, known []string, format string, args ...any) {
	p.errors.add(errorAt(node, known, format, args...))
}

// faultAt records a fault that keeps the current policy from starting. The document stays valid.
func (p *parser) faultAt(node *yaml.Node, known []string, format string, args ...any) {
	p.faults.add(errorAt(node, known, format, args...))
}

// warnAt records a problem that pktvisor ignores silently.
func (p *parser) warnAt(node *yaml.Node, known []string, format string, args ...any) {
	p.warnings.add(errorAt(node, known, format, args...))
}

func errorAt(node *yaml.Node, known []string, format string, args ...any) *Error {
	return &Error{fmt.Sprintf(format, args...), node.Line, node.Column, nearest(node.Value, known)}
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)`)

func syntaxError(err error) *Error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ := strconv.Atoi(m[1])
		return &Error{Text: "yaml: " + m[2], Line: line, Column: 1}
	}
	return &Error{Text: "yaml: " + text}
}

// resolve follows an alias.
func (p *parser) resolve(node *yaml.Node) *yaml.Node {
	if node.Kind != yaml.AliasNode {
		return node
	}
	if p.budget -= 1 + len(node.Alias.Content); p.budget < 0 {
		p.fail(node, "the document holds too much by aliases")
		return &yaml.Node{Kind: yaml.ScalarNode, Line: node.Line, Column: node.Column}
	}
	return node.Alias
}

// pairs yields the keys and values of a map. For other nodes it yields nothing.
func (p *parser) pairs(node *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		if node == nil || node.Kind != yaml.MappingNode {
			return
		}
		seen := make(map[string]bool)
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			if key.Kind == yaml.ScalarNode && seen[key.Value] {
				p.warnAt(key, nil, "the key '%s' stands twice", key.Value)
			}
			seen[key.Value] = true
			if !yield(key, p.resolve(node.Content[i+1])) {
				return
			}
		}
	}
}

// find returns the value of a key, or nil.
func (p *parser) find(node *yaml.Node, name string) *yaml.Node {
	_, value := p.entry(node, name)
	return value
}

func (p *parser) isName(key *yaml.Node, complaint string) bool {
	ok := key.Kind == yaml.ScalarNode && key.Value != ""
	if !ok {
		p.fail(key, "%s", complaint)
	}
	return ok
}

func (p *parser) isMap(node *yaml.Node, complaint string) bool {
	ok := node.Kind == yaml.MappingNode
	if !ok {
		p.fail(node, "%s", complaint)
	}
	return ok
}

// text returns the scalar at a required key.
func (p *parser) text(node *yaml.Node, name, complaint string) string {
	value := p.find(node, name)
	if value == nil || value.Kind != yaml.ScalarNode || value.Value == "" {
		p.fail(orElse(value, node), "%s", complaint)
		return ""
	}
	return value.Value
}

// options returns the map at a key, or nil. Errors about its values begin with prefix.
func (p *parser) options(node *yaml.Node, name, complaint, prefix string) Options {
	value := p.find(node, name)
	if value == nil || !p.isMap(value, complaint) {
		return nil
	}
	return p.table(value, prefix)
}

// table types the values of a map as pktvisor does: digits are a number and true and false a flag,
// even in quotes.
func (p *parser) table(node *yaml.Node, prefix string) Options {
	out := Options{}
	if p.depth++; p.depth > maxDepth {
		p.fail(node, "%sthere are more than %d tables in one another", prefix, maxDepth)
		node = &yaml.Node{}
	}
	defer func() { p.depth-- }()
	for key, value := range p.pairs(node) {
		switch value.Kind {
		case yaml.ScalarNode:
			p.readable(key, value, prefix)
			out[key.Value] = scalar(value)
		case yaml.SequenceNode:
			out[key.Value] = p.list(key, value, prefix)
		default:
			out[key.Value] = p.table(value, prefix)
		}
	}
	return out
}

func (p *parser) list(key, node *yaml.Node, prefix string) []string {
	out := []string{}
	for _, item := range node.Content {
		if item = p.resolve(item); item.Kind != yaml.ScalarNode {
			p.fail(item, "%sinvalid value for sequence in key: %s", prefix, key.Value)
			return out
		}
		p.readable(key, item, prefix)
		out = append(out, item.Value)
	}
	return out
}

// Redacted replaces secrets in the API. Documents cannot use it as a value, because the secret
// would be lost.
const Redacted = "<redacted>"

func (p *parser) readable(key, value *yaml.Node, prefix string) {
	if strings.Contains(value.Value, Redacted) { // possibly within a URL
		p.fail(value, "%sthe value of key '%s' is %s: write what it stands for", prefix, key.Value, Redacted)
	}
}

// scalar types a scalar.
func scalar(node *yaml.Node) any {
	switch strings.ToLower(node.Value) {
	case "true":
		return true
	case "false":
		return false
	}
	if n, err := strconv.ParseUint(node.Value, 10, 64); err == nil && strings.Trim(node.Value, "0123456789") == "" {
		return n
	}
	return node.Value
}

// only warns about keys missing in the list of valid ones.
func (p *parser) only(node *yaml.Node, where string, known ...string) {
	for key := range p.pairs(node) {
		if !slices.Contains(known, key.Value) {
			p.unknown(key, where, known...)
		}
	}
}

// unknown warns about a key without effect. A misspelt anonymize is an error, because whole
// addresses would be shown.
func (p *parser) unknown(key *yaml.Node, where string, known ...string) {
	report := p.warnAt
	if nearest(key.Value, known) == "anonymize" {
		report = p.failAt
	}
	report(key, known, "%s has no key '%s'. Its keys are: %s", where, key.Value, strings.Join(known, ", "))
}

// nearest returns the valid name most similar to name, or "" if at least a third of name would
// change.
func nearest(name string, known []string) string {
	best, least := "", len(name)/3+1
	for _, k := range known {
		if d := distance(name, k); d > 0 && d < least {
			best, least = k, d
		}
	}
	return best
}

// distance returns the optimal string alignment distance of a and b: the number of insertions,
// deletions, substitutions and transpositions of neighbors.
func distance(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, last[j+1]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
