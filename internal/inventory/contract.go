package inventory

// Resource attributes that guid_routing sets and other components read. Those
// with an OpenTelemetry name follow the semantic conventions for containers.
const (
	AttrContainerID    = "container.id"
	AttrContainerName  = "container.name"
	AttrContainerImage = "container.image.name"
	AttrGUID           = "governor.guid"
	AttrApp            = "governor.app"
	AttrClass          = "governor.class"
	AttrAttribution    = "governor.attribution" // which rule found the container
	AttrPeerAddress    = "network.peer.address" // set by receivers, read by guid_routing
)

// Labels that container_lifecycle writes on containers and that the inventory
// reads. A user may put the app, class, objective and cpu labels on any
// container: Governor then treats it as part of that application.
const (
	LabelGUID                = "governor.guid"
	LabelApp                 = "governor.app"
	LabelContainer           = "governor.container" // the container's key in its app file
	LabelClass               = "governor.class"
	LabelObjectivePercentile = "governor.objective.percentile" // 95
	LabelObjectiveTarget     = "governor.objective.target"     // 50ms
	LabelObjectiveScope      = "governor.objective.scope"      // trace | service
	LabelCPUMin              = "governor.cpu.min"              // CPUs, 0.5
	LabelCPUMax              = "governor.cpu.max"
	LabelCPUWeight           = "governor.cpu.weight"
	LabelSpecHash            = "governor.spec.hash"
	LabelTagPrefix           = "governor.tag." // one label for each tag of the app
)
