package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Mermaid's own parser (12.3) takes every one of these, too.
var goodDiagrams = []string{
	"flowchart LR\n  a --> b\n",
	"flowchart LR\n  files[\"kubeconfig<br/>or the pod's files\"] -- clientcmd --> config[\"rest.Config<br/>where, as whom\"]\n  config -- \"Do(ctx)\" --> server([\"HTTP: the API server\"])\n",
	"graph TD\n  %% a comment\n  a[kube-apiserver] & b & c{yes or no} --> d((ring)) & e[(store)]\n  d -->|when it ends| a\n  e -.-> a\n  e ==> b\n  a <--> b\n",
	"flowchart TB\n  subgraph server [\"API server\"]\n    direction LR\n    a --- b\n  end\n  c[[queue]] --> server\n  d{{key}} -.-> c\n",
	"sequenceDiagram\n  autonumber\n  participant I as Informer\n  participant S as API server\n  I->>S: LIST pods\n  S-->>I: PodList, resourceVersion 10\n  loop until ctx ends\n    S-)I: ADDED, MODIFIED, DELETED\n    Note over I,S: one stream\n  end\n  alt too old\n    I->>S: LIST again\n    S-->>I: 200\n  else fine\n    I->>I: go on\n  end\n",
}

// Mermaid's parser takes none of these, except those that say so.
var badDiagrams = map[string]struct{ text, want string }{
	"empty":               {"", "an empty diagram"},
	"no direction":        {"flowchart\n  a --> b --\n", `line 1, "flowchart": begins neither`},
	"wrong head":          {"flowhcart LR\n  a --> b\n", "begins neither with flowchart"},
	"half an arrow":       {"flowchart LR\n  a -- > b\n", "an arrow was expected at"},
	"an arrow to nowhere": {"flowchart LR\n  a -->\n", "an arrow was expected at"},
	"open bracket":        {"flowchart LR\n  a[text --> b\n", "an arrow was expected at"},
	"wrong bracket":       {"flowchart LR\n  a([text]] --> b\n", "an arrow was expected at"},
	"brackets in a text":  {"flowchart LR\n  a[Do(ctx)] --> b\n", "needs double quotes"},
	"brackets on an edge, allowed by Mermaid": {"flowchart LR\n  a -- f(x) --> b\n", "needs double quotes"},
	"open quote":       {"flowchart LR\n  a[\"text] --> b\n", "an arrow was expected at"},
	"a node named end": {"flowchart LR\n  a --> end\n", `"end" means something else`},
	"end of nothing":   {"flowchart LR\n  a --> b\n  end\n", "closes nothing"},
	"no end":           {"flowchart LR\n  subgraph x\n  a --> b\n", `1 "end" missing`},
	"no message":       {"sequenceDiagram\n  A->>B\n", "not a message"},
	"no arrow":         {"sequenceDiagram\n  A>>B: text\n", "not a message"},
	"else in a loop":   {"sequenceDiagram\n  loop always\n  A->>B: x\n  else\n  end\n", `not directly in "alt"`},
	"an open loop":     {"sequenceDiagram\n  loop always\n  A->>B: x\n", `1 "end" missing`},
	// Mermaid draws o and b: an arrow with a ring at its end.
	"no space, allowed by Mermaid": {"flowchart LR\n  a---ob\n", "an arrow was expected at"},
}

func TestDiagrams(t *testing.T) {
	for _, text := range goodDiagrams {
		assert.NoError(t, checkMermaid(text))
		for i := range strings.Count(text, "\n") { // a line that is no diagram's is found wherever it stands
			lines := strings.SplitAfter(text, "\n")
			lines[i] = "  ?! " + lines[i]
			assert.Error(t, checkMermaid(strings.Join(lines, "")), "line %d of %s", i+1, text)
		}
	}
	for name, c := range badDiagrams {
		t.Run(name, func(t *testing.T) {
			err := checkMermaid(c.text)
			require.Error(t, err)
			assert.Contains(t, err.Error(), c.want)
		})
	}
}
