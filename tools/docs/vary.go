package main

import (
	"regexp"
	"strings"
)

// vary lists what differs from run to run, and nothing else may. A README shows a real value; these patterns match the
// value and leave the words around it alone. docs/writing.md has the same list for authors, and a test compares the two.
var vary = []struct {
	what    string // as it is shown in a difference
	example string
	pattern *regexp.Regexp
	instead string
}{
	// Kubernetes makes names of these letters and digits, without vowels, so that no name becomes a word.
	{"<hash>-<suffix>", "web-7d4b9c6f5-x2kqp", regexp.MustCompile(`-[bcdfghjklmnpqrstvwxz2456789]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b`), "-<hash>-<suffix>"},
	{"<suffix>", "mysql-g5zvw", regexp.MustCompile(`-[bcdfghjklmnpqrstvwxz2456789]{5}\b`), "-<suffix>"},
	{"<uid>", "uid 0b6f4a1e-3c58-4c0e-9d0f-5f2d8a7c1b22", regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`), "<uid>"},
	{"<port>", "https://127.0.0.1:38447", regexp.MustCompile(`\b127\.0\.0\.1:\d+\b`), "127.0.0.1:<port>"},
	{"<resourceVersion>", `resourceVersion: "4711"`, regexp.MustCompile(`\b(resourceVersion\W{1,3})\d+\b`), "$1<resourceVersion>"},
	{"<pid>", "pid 4711", regexp.MustCompile(`\b(pid )\d+\b`), "$1<pid>"},
	{"<memory>", "312 MiB", regexp.MustCompile(`\b\d+ MiB\b`), "<memory> MiB"},
	{"<seconds>", "2.4 s", regexp.MustCompile(`\b\d+\.\d+ s\b`), "<seconds> s"},
	// Only as a word of its own: the 5s in ?timeout=5s was asked for.
	{"<age>", "9s", regexp.MustCompile(`(^|\s)(?:\d+[smhd]){1,2}(\s|$)`), "$1<age>$2"},
}

// columns are as wide as what stands in them.
var columns = regexp.MustCompile(`(\S) {2,}`)

// progress is what go and lab print only when work takes long: the first time, or on a busy machine.
var progress = regexp.MustCompile(`(?m)^(go: downloading .*` +
	`|(Looking for|Downloading|Building|Linking|Testing)\b.*, (\d+[smh])+` +
	`|Building .*: \d+ packages to compile, .*\nCtrl-C is safe: .*` +
	`|Built .* in (\d+[smh])+\.` +
	`|Still waiting for the API server: this machine is busy\.` +
	`)\n`)

// withoutProgress leaves such lines out.
func withoutProgress(output string) string { return progress.ReplaceAllString(output, "") }

// normal replaces in each line of output what varies. home is the throw-away home directory: readers see a gopher's.
func normal(output, home string) string {
	var s strings.Builder
	for line := range strings.Lines(atHome(output, home)) {
		line = strings.TrimRight(line, " \n")
		for _, v := range vary {
			line = v.pattern.ReplaceAllString(line, v.instead)
		}
		s.WriteString(columns.ReplaceAllString(line, "$1  ") + "\n")
	}
	return s.String()
}

func atHome(output, home string) string {
	if home == "" {
		return output
	}
	return strings.ReplaceAll(output, home, "/home/gopher")
}
