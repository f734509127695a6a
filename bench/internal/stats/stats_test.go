package stats

import (
	"math"
	"slices"
	"testing"
)

func TestMedianAndRangeOfAnyOrder(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want Summary
		text string
	}{
		{nil, Summary{}, "–"},
		{[]float64{2}, Summary{1, 2, 2, 2}, "2.00"},
		{[]float64{3, 1, 2}, Summary{3, 2, 1, 3}, "2.00 [1.00–3.00]"},
		{[]float64{4, 1, 3, 2}, Summary{4, 2.5, 1, 4}, "2.50 [1.00–4.00]"},
	} {
		before := slices.Clone(c.in)
		if got := Of(c.in); got != c.want || got.String() != c.text {
			t.Errorf("Of(%v) = %v %q, want %v %q", c.in, got, got, c.want, c.text)
		}
		if !slices.Equal(before, c.in) {
			t.Errorf("Of changed its argument to %v", c.in)
		}
	}
}

func TestPercentileIsOfTheNearestRank(t *testing.T) {
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(i + 1)
	}
	for p, want := range map[float64]int64{0: 1, 1: 1, 50: 50, 99: 99, 100: 100} {
		if got := Percentile(hundred, p); got != want {
			t.Errorf("percentile %v = %d, want %d", p, got, want)
		}
	}
	if got := Percentile([]float64{7}, 99); got != 7 {
		t.Errorf("percentile of one value = %v", got)
	}
	if got := Percentile[int64](nil, 50); got != 0 {
		t.Errorf("percentile of nothing = %v", got)
	}
}

func TestNumbersKeepThreeDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.00001: "1e-05", 0.0123: "0.0123", 0.4: "0.400", 1.236: "1.24", 98.04: "98.0", 99.97: "100",
		123.4: "123", 12345.6: "12,346", -1234: "-1,234", 2682810: "2,682,810", math.NaN(): "–", math.Inf(1): "–",
	} {
		if got := Format(v); got != want {
			t.Errorf("Format(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestARatioToNothingIsNoNumber(t *testing.T) {
	if got := Ratio(1, 0); !math.IsNaN(got) {
		t.Errorf("Ratio(1, 0) = %v", got)
	}
	if got := Ratio(1, 4); got != 0.25 {
		t.Errorf("Ratio(1, 4) = %v", got)
	}
}
