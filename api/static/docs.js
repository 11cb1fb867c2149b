// The list of endpoints (/docs): Swagger UI on our own description of them.
window.SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });
