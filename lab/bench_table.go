package main

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// row is a figure and what was measured.
type row struct {
	what, unit, command string
	samples             []float64
}

var metricLine = regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?[ \t]+\d+((?:[ \t]+[\d.e+-]+ \S+)+)`)

// readMetrics reads what `go test -bench` prints. What go measures by itself counts where a benchmark reports nothing.
func readMetrics(out string) (metrics []row) {
	for _, m := range metricLine.FindAllStringSubmatch(out, -1) {
		var all []row
		for f := strings.Fields(m[2]); len(f) > 1; f = f[2:] {
			if value, err := strconv.ParseFloat(f[0], 64); err == nil {
				all = append(all, row{what: strings.NewReplacer("/", ": ", "_", " ").Replace(m[1]), unit: f[1], samples: []float64{value}})
			}
		}
		ofGo := func(r row) bool { return slices.Contains([]string{"ns/op", "B/op", "allocs/op"}, r.unit) }
		if own := slices.DeleteFunc(slices.Clone(all), ofGo); len(own) > 0 {
			all = own
		}
		metrics = append(metrics, all...)
	}
	return metrics
}

// gather adds samples to the rows that they belong to.
func gather(rows []*row, found []row) []*row {
	for _, r := range found {
		i := slices.IndexFunc(rows, func(o *row) bool { return o.what == r.what && o.unit == r.unit && o.command == r.command })
		if i < 0 {
			rows = append(rows, &r)
		} else {
			rows[i].samples = append(rows[i].samples, r.samples...)
		}
	}
	return rows
}

// String is the figure: the median, and the extremes if they differ.
func (r row) String() string {
	s := slices.Sorted(slices.Values(r.samples))
	median, unit, scale := (s[(len(s)-1)/2]+s[len(s)/2])/2, strings.ReplaceAll(r.unit, "-", " "), 1.0
	if unit == "ns/op" {
		unit = "ns"
	}
	for larger := []string{"µs", "ms", "s"}; r.unit == "ns/op" && len(larger) > 0 && median >= 1000*scale; larger = larger[1:] {
		unit, scale = larger[0], 1000*scale
	}
	number := func(v float64) string {
		decimals := 1
		switch v /= scale; {
		case v >= 100, v == math.Trunc(v) && r.unit != "s":
			decimals = 0
		case v < 1:
			decimals = 2
		}
		return strconv.FormatFloat(v, 'f', decimals, 64)
	}
	text := number(median) + " " + unit
	if least, most := number(s[0]), number(s[len(s)-1]); least != most {
		text += fmt.Sprintf(" (%s to %s)", least, most)
	}
	return text
}

func table(rows []*row, runs int, markdown bool) string {
	var out strings.Builder
	heading := fmt.Sprintf("what\tmedian (least to most) of %d runs\tcommand\n", runs)
	if runs == 1 {
		heading = "what\tone run\tcommand\n"
	}
	if markdown {
		fmt.Fprintf(&out, "| %s |\n| --- | --- | --- |\n", strings.ReplaceAll(strings.TrimSpace(heading), "\t", " | "))
		for _, r := range rows {
			fmt.Fprintf(&out, "| %s | %s | `%s` |\n", r.what, r, r.command)
		}
		return out.String()
	}
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, strings.ToUpper(heading))
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\n", strings.ReplaceAll(r.what, "`", ""), r, r.command)
	}
	w.Flush()
	return out.String()
}
