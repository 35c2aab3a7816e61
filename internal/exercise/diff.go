package exercise

import "strings"

// Diff shows how to come from old to new: "-" is a line of old, "+" one of new, and " " one of both; of long stretches
// without a difference only the three lines next to one.
func Diff(old, new string) string {
	a, b := strings.Split(strings.TrimSuffix(old, "\n"), "\n"), strings.Split(strings.TrimSuffix(new, "\n"), "\n")
	// same[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	same := make([][]int, len(a)+1)
	for i := range same {
		same[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				same[i][j] = same[i+1][j+1] + 1
			} else {
				same[i][j] = max(same[i+1][j], same[i][j+1])
			}
		}
	}
	var lines []string
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			lines = append(lines, "  "+a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && same[i+1][j] >= same[i][j+1]:
			lines = append(lines, "- "+a[i])
			i++
		default:
			lines = append(lines, "+ "+b[j])
			j++
		}
	}
	const around = 3
	show := make([]bool, len(lines))
	for i, line := range lines {
		if line[0] != ' ' {
			for k := max(0, i-around); k <= min(len(lines)-1, i+around); k++ {
				show[k] = true
			}
		}
	}
	var out strings.Builder
	for i, line := range lines {
		switch {
		case show[i]:
			out.WriteString(strings.TrimRight(line, " ") + "\n")
		case i > 0 && show[i-1]:
			out.WriteString("  ...\n")
		}
	}
	return out.String()
}
