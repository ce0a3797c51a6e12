package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

// figure is one line of the result. Ratio is Value over Baseline, or, where the
// two were taken in turns, the median of the rounds' ratios; 0 when there is no
// baseline.
type figure struct {
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Baseline float64 `json:"baseline"`
	Ratio    float64 `json:"ratio"`
	// against says what the baseline is, and goal what is to be reached.
	against, goal string
}

type figures []figure

// add notes a figure. goal may be empty.
func (f *figures) add(name string, value float64, unit string, baseline float64, against, goal string) {
	x := figure{Name: name, Value: value, Unit: unit, Baseline: baseline, against: against, goal: goal}
	if baseline != 0 {
		x.Ratio = value / baseline
	}
	*f = append(*f, x)
}

// compare notes a value of one side of a race against the other's.
func (f *figures) compare(name, unit string, of, with *side, value func(lap) float64, against, goal string) {
	*f = append(*f, figure{
		Name: name, Value: of.median(value), Unit: unit, Baseline: with.median(value), Ratio: of.against(with, value),
		against: against, goal: goal,
	})
}

func (f figures) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "FIGURE\tVALUE\tUNIT\tBASELINE\tRATIO\tGOAL\tBASELINE IS")
	for _, x := range f {
		ratio, base := "-", "-"
		if x.Baseline != 0 {
			ratio, base = fmt.Sprintf("%.2f", x.Ratio), number(x.Baseline)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.Name, number(x.Value), x.Unit, base, ratio, x.goal, x.against)
	}
	t.Flush()
}

func number(v float64) string {
	if v == float64(int64(v)) {
		return fmt.Sprintf("%d", int64(v))
	}
	return fmt.Sprintf("%.1f", v)
}

func (f figures) write(name string) error {
	body, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(body, '\n'), 0o644)
}
