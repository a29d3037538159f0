"""The FHIR R4 (4.0.1) door: the same intake, rights and commands in the words of ServiceRequest and Task."""
