package testnet

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestOtherMachinesAreOutOfReach(t *testing.T) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err == nil {
		response.Body.Close()
		t.Fatal("a request to another machine got an answer")
	}
	if !strings.Contains(err.Error(), ErrAway.Error()) {
		t.Fatalf("the error does not say why: %v", err)
	}
}

func TestThisMachineIsReached(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost"} {
		conn, err := net.DialTimeout("tcp4", net.JoinHostPort(host, port), 5*time.Second)
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		conn.Close()
	}
}
