package jaegerreceiver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	jaegertranslator "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/jaeger"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// grpcServer takes batches of Jaeger's protobuf model.
type grpcServer struct {
	deliver  *delivery
	listener net.Listener
	server   *grpc.Server
	serving  sync.WaitGroup
}

func (r *jaegerReceiver) bindGRPC(ctx context.Context, host component.Host) error {
	cfg := r.cfg.Protocols.GRPC.Get()
	deliver, err := r.newDelivery(protocolGRPC, "grpc")
	if err != nil {
		return err
	}
	s := &grpcServer{deliver: deliver}
	if s.server, err = cfg.ToServer(ctx, host.GetExtensions(), r.set.TelemetrySettings); err != nil {
		return fmt.Errorf("%s: %w", protocolGRPC, err)
	}
	api_v2.RegisterCollectorServiceServer(s.server, s)
	if s.listener, err = cfg.NetAddr.Listen(ctx); err != nil {
		return fmt.Errorf("%s: listen on tcp %s: %w", protocolGRPC, cfg.NetAddr.Endpoint, err)
	}
	r.servers[protocolGRPC] = s
	return nil
}

func (s *grpcServer) address() net.Addr { return s.listener.Addr() }

func (s *grpcServer) unbind() error { return s.listener.Close() }

func (s *grpcServer) start() {
	s.deliver.logger.Info("receiving", zap.String("protocol", protocolGRPC), zap.Stringer("address", s.address()))
	s.serving.Go(func() {
		if err := s.server.Serve(s.listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			s.deliver.logger.Error("stopped receiving", zap.String("protocol", protocolGRPC), zap.Error(err))
		}
	})
}

func (s *grpcServer) shutdown(ctx context.Context) error {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.server.GracefulStop()
	}()
	select {
	case <-stopped:
	case <-ctx.Done():
		s.server.Stop()
		<-stopped
	}
	s.serving.Wait()
	return nil
}

// PostSpans answers InvalidArgument for what will never be accepted and
// Unavailable for what may be tried again.
func (s *grpcServer) PostSpans(ctx context.Context, request *api_v2.PostSpansRequest) (*api_v2.PostSpansResponse, error) {
	s.deliver.account.received(1, request.Size())
	traces, err := translate(&request.Batch)
	if err != nil {
		s.deliver.account.dropped(1, reasonUndecodable)
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if peer := s.deliver.peerOf(ctx); peer != "" {
		for _, rs := range traces.ResourceSpans().All() {
			rs.Resource().Attributes().PutStr(peerAttribute, peer)
		}
	}
	if err := s.deliver.once(ctx, traces); err != nil {
		code := codes.Unavailable
		if consumererror.IsPermanent(err) {
			code = codes.InvalidArgument
		}
		return nil, status.Error(code, err.Error())
	}
	return &api_v2.PostSpansResponse{}, nil
}

// translate keeps a crash of the translator to its request.
func translate(batch *model.Batch) (traces ptrace.Traces, err error) {
	defer func() {
		if crash := recover(); crash != nil {
			err = fmt.Errorf("cannot translate the batch: %v", crash)
		}
	}()
	return jaegertranslator.ProtoToTraces([]*model.Batch{batch})
}
