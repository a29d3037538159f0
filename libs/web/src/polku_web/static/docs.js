// Shows the API's description with the self-hosted Swagger UI; it asks nobody else for anything.
(() => {
  "use strict";
  const place = document.getElementById("swagger");
  window.SwaggerUIBundle({
    url: place.dataset.address,
    domNode: place,
    deepLinking: true,
    validatorUrl: null,
    supportedSubmitMethods: [],
    defaultModelsExpandDepth: 0,
  });
})();
