package jaegerreceiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"sync"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/jaegerthrift"
)

// retryAfterSeconds is what a sender is asked to wait after a retryable failure.
const retryAfterSeconds = "1"

// httpServer takes bare Batch structs of the binary protocol by POST /api/traces.
type httpServer struct {
	deliver  *delivery
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup
}

func (r *jaegerReceiver) bindHTTP(ctx context.Context, host component.Host) error {
	cfg := r.cfg.Protocols.ThriftHTTP.Get()
	deliver, err := r.newDelivery(protocolHTTP, "http")
	if err != nil {
		return err
	}
	s := &httpServer{deliver: deliver}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/traces", s.post)
	if s.server, err = cfg.ToServer(ctx, host.GetExtensions(), r.set.TelemetrySettings, mux); err != nil {
		return fmt.Errorf("%s: %w", protocolHTTP, err)
	}
	if s.listener, err = cfg.ToListener(ctx); err != nil {
		return fmt.Errorf("%s: listen on tcp %s: %w", protocolHTTP, cfg.NetAddr.Endpoint, err)
	}
	r.servers[protocolHTTP] = s
	return nil
}

func (s *httpServer) address() net.Addr { return s.listener.Addr() }

func (s *httpServer) unbind() error { return s.listener.Close() }

func (s *httpServer) start() {
	s.deliver.logger.Info("receiving", zap.String("protocol", protocolHTTP), zap.Stringer("address", s.address()))
	s.serving.Go(func() {
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.deliver.logger.Error("stopped receiving", zap.String("protocol", protocolHTTP), zap.Error(err))
		}
	})
}

func (s *httpServer) shutdown(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	s.serving.Wait()
	return err
}

// post answers 202 for accepted, 400 for what will never be accepted, 413 for a
// body that is too large and 503 for what may be tried again.
func (s *httpServer) post(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	s.deliver.account.received(1, len(body))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			s.deliver.account.dropped(1, reasonOversized)
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		s.reject(w, fmt.Errorf("cannot read the body: %w", err))
		return
	}
	format, _, err := mime.ParseMediaType(request.Header.Get("Content-Type"))
	if err != nil || (format != "application/x-thrift" && format != "application/vnd.apache.thrift.binary") {
		s.reject(w, fmt.Errorf("Content-Type %q is not application/x-thrift or application/vnd.apache.thrift.binary",
			request.Header.Get("Content-Type")))
		return
	}
	gatherer := jaegerthrift.NewGatherer()
	if _, err := gatherer.AppendBatch(string(body), s.deliver.peerOf(request.Context())); err != nil {
		s.reject(w, err)
		return
	}
	s.answer(w, s.deliver.once(request.Context(), gatherer.Take()))
}

func (s *httpServer) reject(w http.ResponseWriter, err error) {
	s.deliver.account.dropped(1, reasonUndecodable)
	s.deliver.complain("request refused", zap.Error(err))
	http.Error(w, err.Error(), http.StatusBadRequest)
}

func (s *httpServer) answer(w http.ResponseWriter, err error) {
	switch {
	case err == nil:
		w.WriteHeader(http.StatusAccepted)
	case consumererror.IsPermanent(err):
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		w.Header().Set("Retry-After", retryAfterSeconds)
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

// peerOf is the address of a request's sender for the resource, or empty when it
// is switched off or unknown.
func (d *delivery) peerOf(ctx context.Context) string {
	if !d.peerAddress {
		return ""
	}
	switch addr := client.FromContext(ctx).Addr.(type) {
	case *net.IPAddr:
		return addr.IP.String()
	case *net.TCPAddr:
		return addr.IP.String()
	}
	return ""
}
