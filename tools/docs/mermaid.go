package main

import (
	"fmt"
	"regexp"
	"strings"
)

// checkMermaid accepts a part of Mermaid: the flowcharts and sequence diagrams that lessons are made of. Mermaid's own
// parser needs Node.js and a browser's DOM, which learners do not have. This part is smaller on purpose, so that Mermaid
// draws what it accepts: version 12.3 took every one of 10,000 variants of the tests' diagrams that this check took. When
// a diagram needs more, this is the place to allow it.
func checkMermaid(text string) error {
	var check func(line string) error
	var open []string // subgraph, loop, ...: what "end" closes
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimLeft(strings.TrimSuffix(line, "\n"), " ")
		if line == "" || strings.HasPrefix(line, "%%") {
			continue
		}
		var err error
		switch {
		case check == nil && flowHead.MatchString(line):
			check = checkFlow
		case check == nil && line == "sequenceDiagram":
			check = checkSequence
		case check == nil:
			err = fmt.Errorf("begins neither with flowchart and a direction (LR, RL, TB, TD, BT) nor with sequenceDiagram")
		case line == "end":
			if len(open) == 0 {
				err = fmt.Errorf("closes nothing")
			} else {
				open = open[:len(open)-1]
			}
		default:
			err = check(line)
			word, _, _ := strings.Cut(line, " ")
			if opens.MatchString(word) {
				open = append(open, word)
			}
			if within := parts[word]; within != "" && (len(open) == 0 || open[len(open)-1] != within) {
				err = fmt.Errorf("not directly in %q", within)
			}
		}
		if err != nil {
			return fmt.Errorf("line %d, %q: %w", number, line, err)
		}
	}
	switch {
	case check == nil:
		return fmt.Errorf("an empty diagram")
	case len(open) > 0:
		return fmt.Errorf("%d \"end\" missing", len(open))
	}
	return nil
}

const (
	id      = `[A-Za-z][A-Za-z0-9_]*`
	quoted  = `"[^"]+"`
	plain   = `[^\[\](){}"|\\/#;%@-]+(?:-[^\[\](){}"|\\/#;%@-]+)*` // text that needs no quotes
	words   = `(?:` + quoted + `|` + plain + `)`
	arrow   = `(?:<?-->|---|<?-\.->|-\.-|<?==>|===)`
	message = `[^;#%]+` // they mean something else to Mermaid
)

var (
	flowHead = regexp.MustCompile(`^(flowchart|graph) (LR|RL|TB|TD|BT)$`)
	opens    = regexp.MustCompile(`^(subgraph|loop|alt|opt|par|critical|break|rect)$`)
	parts    = map[string]string{"else": "alt", "and": "par", "option": "critical"}
	subgraph = regexp.MustCompile(`^(direction (LR|RL|TB|TD|BT)|subgraph ` + id + `( ?\[` + words + `\])?)$`)
	shapes   = strings.NewReplacer("TEXT", words).Replace(`\(\[TEXT\]\)|\[\[TEXT\]\]|\[\(TEXT\)\]|\(\(TEXT\)\)|\{\{TEXT\}\}|\[TEXT\]|\(TEXT\)|\{TEXT\}`)
	// api[kube-apiserver] & etcd: nodes, each with a text in brackets if it has one.
	node  = `(` + id + `)(?:` + shapes + `)?`
	nodes = regexp.MustCompile(`^` + node + `(?: +& +` + node + `)*`)
	// An arrow with a text in the middle, or behind it between bars, or none. Spaces around it: a---ob has another arrow.
	edge     = regexp.MustCompile(`^ (?:` + arrow + `|-->\|` + words + `\||-- ` + words + ` (?:-->|---)) `)
	reserved = regexp.MustCompile(`(^|& +)(end|graph|flowchart|subgraph|style|linkStyle|class|classDef|click|call|href|default|interpolate)\b`)

	sequence = regexp.MustCompile(`^(?:` + strings.Join([]string{
		`autonumber`,
		`(?:participant|actor) ` + id + `(?: as ` + message + `)?`,
		id + ` ?(?:->>|-->>|->|-->|-x|--x|-\)|--\)) ?` + id + ` ?: ?` + message,
		`[Nn]ote (?:over|left of|right of) ` + id + `(?:, ?` + id + `)? ?: ?` + message,
		`(?:loop|alt|opt|par|critical|break|else|and|option|rect) ` + message,
		`else`,
	}, `|`) + `)$`)
)

func checkFlow(line string) error {
	if subgraph.MatchString(line) {
		return nil
	}
	for rest := line; ; {
		found := nodes.FindString(rest)
		if found == "" {
			return fmt.Errorf("a node was expected at %q: a name, or a name and a text in brackets; a text with brackets, quotes or / in it needs double quotes around it", rest)
		}
		if word := reserved.FindString(found); word != "" {
			return fmt.Errorf("%q means something else to Mermaid; give the node another name", word)
		}
		if rest = rest[len(found):]; rest == "" {
			return nil
		}
		found = edge.FindString(rest)
		if found == "" {
			return fmt.Errorf("an arrow was expected at %q: -->, -- text -->, -->|text|, with spaces around it; a text with brackets, quotes or / in it needs double quotes around it", rest)
		}
		rest = rest[len(found):]
	}
}

func checkSequence(line string) error {
	if !sequence.MatchString(line) {
		return fmt.Errorf("not a message (a->>b: text), participant, note or block that this check knows")
	}
	return nil
}
