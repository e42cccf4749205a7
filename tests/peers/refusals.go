// What Go's HTTP client sees of refusals: go run refusals.go 1|2 CA PLAN.
// PLAN and what is printed are those of refusals.py.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

type test struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
	Size    int               `json:"size"`
	Text    string            `json:"text"`
	Pause   int               `json:"pause"`
	Status  int               `json:"status"`
	Times   int               `json:"times"`
}

type failure struct {
	Case    test   `json:"case"`
	Attempt int    `json:"attempt"`
	Seen    string `json:"seen"`
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// pausing waits before the first byte.
type pausing struct {
	reader io.Reader
	pause  time.Duration
}

func (p *pausing) Read(buffer []byte) (int, error) {
	time.Sleep(p.pause)
	p.pause = 0
	return p.reader.Read(buffer)
}

// bodyOf is the body, with the pause between its halves.
func bodyOf(t test, body []byte) io.Reader {
	if t.Pause == 0 {
		return bytes.NewReader(body)
	}
	middle := len(body) / 2
	second := &pausing{bytes.NewReader(body[middle:]), time.Duration(t.Pause) * time.Millisecond}
	return io.MultiReader(bytes.NewReader(body[:middle]), second)
}

func ask(version string, roots *x509.CertPool, t test, body []byte) string {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: version == "2"}
	if version == "1" {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequest(t.Method, t.URL, bodyOf(t, body))
	check(err)
	request.ContentLength = int64(len(body))
	for name, value := range t.Headers {
		request.Header.Set(name, value)
	}
	client := http.Client{Transport: transport, Timeout: 2 * time.Minute}
	response, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err.Error()
	}
	if fmt.Sprint(response.ProtoMajor) != version {
		return response.Proto
	}
	return fmt.Sprint(response.StatusCode)
}

func main() {
	version, roots := os.Args[1], x509.NewCertPool()
	ca, err := os.ReadFile(os.Args[2])
	check(err)
	roots.AppendCertsFromPEM(ca)
	plan, err := os.ReadFile(os.Args[3])
	check(err)
	var tests []test
	check(json.Unmarshal(plan, &tests))
	failures := []failure{}
	for _, t := range tests {
		body := append([]byte(t.Text), bytes.Repeat([]byte(" "), t.Size-len(t.Text))...)
		for attempt := 0; attempt < t.Times; attempt++ {
			if seen := ask(version, roots, t, body); seen != fmt.Sprint(t.Status) {
				failures = append(failures, failure{t, attempt, seen})
			}
		}
	}
	check(json.NewEncoder(os.Stdout).Encode(failures))
}
