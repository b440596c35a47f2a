//! The pack in CASE/UCO (JSON-LD), for other people's systems. Every node has an IRI that ends in a UUID, and there are no blank ones.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Builder;

use super::facts::{PackFacts, PackItem, PackPart, part_file};
use crate::model::{PackId, Part, Sha256Digest, StationName};

const CASE: &str = "https://ontology.caseontology.org/case/";
const UCO: &str = "https://ontology.unifiedcyberontology.org/uco/";

/// The graph as text.
pub fn case_graph(facts: &PackFacts) -> String {
    let mut graph = Graph {
        pack: facts.id,
        nodes: Vec::new(),
    };
    let tool = graph.add(
        "uco-tool:Tool",
        &json!({"uco-core:name": "CamDock", "uco-tool:version": facts.version}),
    );
    let office = graph.add(
        "uco-identity:Organization",
        &json!({"uco-core:name": format!("evidence office {}", facts.office)}),
    );
    let mut packed = Vec::new();
    let mut places: Vec<(StationName, Value)> = Vec::new();
    for item in &facts.items {
        let known = places.iter().find(|(name, _)| *name == item.station);
        let place = known.map(|(_, place)| place.clone());
        let place = place.unwrap_or_else(|| {
            let name = format!("station {}", item.station);
            let place = graph.add("uco-location:Location", &json!({"uco-core:name": name}));
            places.push((item.station.clone(), place.clone()));
            place
        });
        packed.push(described(&mut graph, item, &place, &tool, &office));
    }
    let files: Vec<Value> = packed.iter().flat_map(|(_, files)| files.clone()).collect();
    let records: Vec<Value> = packed.into_iter().map(|(record, _)| record).collect();
    graph.add(
        "case-investigation:InvestigativeAction",
        &json!({
            "uco-core:name": "packed",
            "uco-core:description": format!("The pack {} was made by {} at the evidence office {}.", facts.id, facts.operator, facts.office),
            "uco-action:startTime": time(facts.made),
            "uco-action:performer": office,
            "uco-action:instrument": tool,
            "uco-action:object": files,
            "uco-action:result": records,
        }),
    );
    let document = json!({
        "@context": {
            "case-investigation": format!("{CASE}investigation/"),
            "uco-action": format!("{UCO}action/"),
            "uco-core": format!("{UCO}core/"),
            "uco-identity": format!("{UCO}identity/"),
            "uco-location": format!("{UCO}location/"),
            "uco-observable": format!("{UCO}observable/"),
            "uco-tool": format!("{UCO}tool/"),
            "uco-types": format!("{UCO}types/"),
            "xsd": "http://www.w3.org/2001/XMLSchema#",
        },
        "@graph": graph.nodes,
    });
    format!("{document:#}\n")
}

/// An item: its files, their provenance, and how the station took it. The provenance record, and the files.
fn described(
    graph: &mut Graph,
    item: &PackItem,
    place: &Value,
    tool: &Value,
    office: &Value,
) -> (Value, Vec<Value>) {
    let (_, sealed_at, sealed) = &item.sealed;
    let camera = sealed
        .camera
        .as_ref()
        .map_or("unknown", |camera| camera.serial());
    let imported = item.imported.as_ref();
    let source = match imported {
        Some((.., declared)) => format!("import, declared as {}", declared.facts.source),
        None => format!("camera {camera}"),
    };
    let facet = graph.add(
        "uco-observable:DeviceFacet",
        &json!({"uco-observable:serialNumber": camera}),
    );
    let camera = graph.add(
        "uco-observable:Device",
        &json!({"uco-core:name": source, "uco-core:hasFacet": [facet]}),
    );
    let files: Vec<Value> = item
        .parts
        .iter()
        .map(|part| file(graph, item, part))
        .collect();
    let record = graph.add(
        "case-investigation:ProvenanceRecord",
        &json!({
            "uco-core:description": format!("item {} of the station {}, entry {} of its custody log{}", item.evidence, item.station, item.sealed.0, derived(item)),
            "uco-core:object": files,
        }),
    );
    let docked = item.docked.as_ref().map(|(_, at, _)| *at);
    let declared = imported.map(|(_, at, _)| *at);
    let begun = docked.or(declared).unwrap_or(*sealed_at);
    let mut action = json!({
        "uco-core:name": if imported.is_some() { "imported and sealed" } else { "taken from the camera and sealed" },
        "uco-action:performer": office,
        "uco-action:instrument": tool,
        "uco-action:location": place,
        "uco-action:object": camera,
        "uco-action:result": record,
    });
    // A clock that was set back gives no span.
    if begun <= *sealed_at {
        action["uco-action:startTime"] = time(begun);
    }
    action["uco-action:endTime"] = time(*sealed_at);
    graph.add("case-investigation:InvestigativeAction", &action);
    (record, files)
}

/// That it is no original, if it was declared to be a copy.
fn derived(item: &PackItem) -> String {
    let derived = item.sealed.2.import.and_then(|import| import.derived_from);
    derived.map_or(String::new(), |from| {
        format!("; declared to be a copy made from item {from}, not an original")
    })
}

fn file(graph: &mut Graph, item: &PackItem, part: &PackPart) -> Value {
    let path = format!("data/{}", part_file(item, part.part).unwrap_or_default());
    let name = path.rsplit('/').next().unwrap_or(&path);
    let hash = graph.add(
        "uco-types:Hash",
        &json!({
            "uco-types:hashMethod": "SHA256",
            "uco-types:hashValue": {"@type": "xsd:hexBinary", "@value": part.sha256.to_string()},
        }),
    );
    let size = json!({"@type": "xsd:integer", "@value": part.size.to_string()});
    let mut content = json!({"uco-observable:sizeInBytes": size, "uco-observable:hash": hash});
    let mime = match part.part {
        Part::Storyboard => Some("image/jpeg"),
        Part::Preview => Some("video/mp4"),
        _ => None,
    };
    if let Some(mime) = mime {
        content["uco-observable:mimeType"] = mime.into();
    }
    let content = graph.add("uco-observable:ContentDataFacet", &content);
    let mut facts = json!({
        "uco-observable:fileName": name,
        "uco-observable:filePath": path,
        "uco-observable:sizeInBytes": size,
    });
    if part.part == Part::Original
        && let Some(modified) = item.sealed.2.modified
    {
        facts["uco-observable:modifiedTime"] = time(modified);
    }
    let facts = graph.add("uco-observable:FileFacet", &facts);
    graph.add(
        "uco-observable:File",
        &json!({"uco-core:name": format!("{} of item {}", part.part, item.evidence), "uco-core:hasFacet": [facts, content]}),
    )
}

fn time(at: Timestamp) -> Value {
    json!({"@type": "xsd:dateTime", "@value": at.to_string()})
}

struct Graph {
    pack: PackId,
    nodes: Vec<Value>,
}

impl Graph {
    /// Adds a node; returns the reference to it.
    fn add(&mut self, kind: &str, properties: &Value) -> Value {
        // The ontology's checks know the versions of a UUID up to 5.
        let number = format!("{} {}", self.pack, self.nodes.len());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&Sha256Digest::of(number.as_bytes()).0[..16]);
        let id = Builder::from_random_bytes(bytes).into_uuid();
        let reference = json!({"@id": format!("urn:uuid:{id}")});
        let mut node = reference.clone();
        node["@type"] = kind.into();
        if let (Some(node), Some(more)) = (node.as_object_mut(), properties.as_object()) {
            node.extend(more.clone());
        }
        self.nodes.push(node);
        reference
    }
}
