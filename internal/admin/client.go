package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/rouse-proxy/rouse/internal/history"
)

func pathOf(name string) string { return url.PathEscape(name) }

// do asks and understands the answer.
func (c *Client) do(ctx context.Context, method, path string, body, result any) error {
	var text io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://rouse"+path, text)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set(changeHeader, "1")
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("asking the rouse of %s: %w", c.dir, err)
	}
	if resp.StatusCode != http.StatusOK {
		return refused(resp, answer)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer, result)
}

// refused is what the answer says.
func refused(resp *http.Response, answer []byte) error {
	var f failure
	if json.Unmarshal(answer, &f) != nil || f.Error == "" {
		f.Error = resp.Status
	}
	return Refused(f.Error)
}

// explain says why nobody has answered.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no rouse runs with the state directory %s: start it, or name another one with --config or --state-dir", c.dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the rouse of %s is another user's: use the same user, or sudo", c.dir)
	}
	return fmt.Errorf("asking the rouse of %s: %w", c.dir, err)
}

// stream reads events until they end.
func (c *Client) stream(ctx context.Context, path string, each func(history.Fact) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://rouse"+path, nil)
	if err != nil {
		return err
	}
	patient := http.Client{Transport: c.http.Transport} // without a limit of time
	resp, err := patient.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(io.LimitReader(resp.Body, mostBody)) // what there is
		return refused(resp, answer)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, is := strings.CutPrefix(lines.Text(), "data: ")
		if !is {
			continue
		}
		var f history.Fact
		if err := json.Unmarshal([]byte(data), &f); err != nil {
			return fmt.Errorf("reading events of the rouse of %s: %w", c.dir, err)
		}
		if err := each(f); err != nil {
			return err
		}
	}
	return lines.Err()
}
